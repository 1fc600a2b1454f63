"""What bench/streams.py streams: orders of some 200 bytes, and the programs of our side."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mainstem.event import StoredEvent
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import event_type
from mainstem.streams import Count, StreamApp, Streams, Sum, stream_app
from mainstem.wire import Wire

WINDOW = timedelta(seconds=10)


@event_type("bench.streams")
@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """A payload as applications have them."""

    country: str
    cents: int
    note: str


@event_type("bench.streams")
@dataclass(frozen=True, slots=True)
class Counted:
    """How many orders a key has."""

    orders: int


@event_type("bench.streams")
@dataclass(frozen=True, slots=True)
class Revenue:
    """What a window amounts to."""

    cents: int
    orders: int


def registry() -> MemoryRegistry:
    """One that gives the same ids in every process."""
    found = MemoryRegistry()
    wire = Wire(found)
    for cls in (OrderPlaced, Counted, Revenue):
        wire.prepare(cls)
    return found


class Clock:
    """Notes when the first event behind the warm-up and when the last one was processed."""

    def __init__(self, warm: int, events: int) -> None:
        """Count so many."""
        self._warm, self._events = warm, events
        self._seen = 0
        self.began_s = self.began_cpu_s = self.took_s = self.took_cpu_s = 0.0
        self.done: Callable[[], None] = lambda: None

    def tick(self) -> None:
        """One more."""
        self._seen += 1
        if self._seen == self._warm:
            self.began_s, self.began_cpu_s = time.perf_counter(), time.process_time()
        elif self._seen == self._events:
            self.took_s = time.perf_counter() - self.began_s
            self.took_cpu_s = time.process_time() - self.began_cpu_s
            self.done()


def program(mode: str, source: str, out: str, clock: Clock) -> StreamApp:
    """Our side of one comparison."""

    @stream_app(f"{out}_ours")
    def streams_of(streams: Streams) -> None:
        PROGRAMS[mode](streams, source, out, clock)

    return streams_of


def mapped(streams: Streams, source: str, out: str, clock: Clock) -> None:
    """Each event with another payload."""

    def change(event: StoredEvent[OrderPlaced]) -> OrderPlaced:
        clock.tick()
        order = event.payload
        return OrderPlaced(order.country, order.cents + 1, order.note)

    streams.subscribe(source, OrderPlaced).apply(change).to(out)


def counted(streams: Streams, source: str, out: str, clock: Clock) -> None:
    """How many events each key had so far."""

    def count(event: StoredEvent[OrderPlaced], state: Any) -> Counted:
        del event
        clock.tick()
        orders = state.get("n", 0) + 1
        state.set("n", orders)
        return Counted(orders)

    streams.subscribe(source, OrderPlaced).apply(count, stateful=True).to(out)


def windowed(streams: Streams, source: str, out: str, clock: Clock) -> None:
    """Sum and count of each key in windows of ten seconds, as they change."""

    def seen(event: StoredEvent[OrderPlaced]) -> object:
        clock.tick()
        return event

    orders = streams.subscribe(source, OrderPlaced).update(seen)
    windows = orders.tumbling_window(WINDOW, grace=WINDOW)
    totals = windows.agg(cents=Sum("cents"), orders=Count()).current()
    totals.apply(lambda window: Revenue(window["cents"], window["orders"])).to(out)


PROGRAMS = {"map": mapped, "count": counted, "window": windowed}
