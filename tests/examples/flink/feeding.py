"""What goes into the job while it runs and dies, and what comes out of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from mainstem import Event, StoredEvent
from mainstem.kafka import KafkaEventStore
from mainstem.kafka.subscription import Subscription
from tests.examples.flink import orders

FEED_PAUSE_S = 0.3
RESULTS_TIMEOUT_S = 120.0
QUIET_S = 4.0


class Feed:
    """Orders that go on coming, whatever the job does."""

    def __init__(self, log: KafkaEventStore, topic: str, seed: int) -> None:
        """Nothing is saved yet."""
        self.saved: list[Event[Any]] = []
        self._minutes = orders.minutes(seed)
        self._log, self._topic = log, topic
        self._thread = threading.Thread(target=self._go_on, name="feed")

    def save(self, events: Iterable[Event[Any]]) -> None:
        """Save them now."""
        self.saved.extend(each := list(events))
        self._log.save_many(self._topic, each)

    def save_minutes(self, count: int) -> None:
        """Save the next so many minutes now."""
        for events in islice(self._minutes, count):
            self.save(events)

    def _go_on(self) -> None:
        """Save the rest little by little."""
        pause = threading.Event()
        for events in self._minutes:
            self.save(events)
            pause.wait(FEED_PAUSE_S)

    @contextmanager
    def going_on(self) -> Iterator[threading.Thread]:
        """Within the block the rest is saved little by little; at its end all of it is."""
        self._thread.start()
        try:
            yield self._thread
        finally:
            self._thread.join()


class Results:
    """What the job has committed, read as any consumer of ours reads events."""

    def __init__(self, subscription: Subscription) -> None:
        """From the beginning."""
        self.found: list[StoredEvent[Any]] = []
        self._subscription = subscription

    def until(self, holds: Callable[[], bool]) -> None:
        """Read on until it holds; an AssertionError if in vain."""
        deadline_s = time.monotonic() + RESULTS_TIMEOUT_S
        while not holds():
            assert time.monotonic() < deadline_s, f"in vain, after {len(self.found)} results"
            self.found.extend(self._subscription.step() or ())

    def until_minutes(self, count: int) -> None:
        """Read on until there are results of so many minutes."""
        self.until(lambda: len({event.payload.minute for event in self.found}) >= count)

    def read_out(self) -> None:
        """Read on until nothing has come for the time of several checkpoints."""
        quiet_s = time.monotonic() + QUIET_S
        while time.monotonic() < quiet_s:
            if batch := self._subscription.step():
                self.found.extend(batch)
                quiet_s = time.monotonic() + QUIET_S

    def doubled(self) -> bool:
        """Whether there is a window with two results."""
        return max(Counter(window for window, _ in self.totals()).values(), default=0) > 1

    def totals(self) -> list[tuple[orders.Window, orders.Total]]:
        """All of them, also where there is more than one of a window."""
        payloads = [event.payload for event in self.found]
        return [
            (orders.Window(each.country, each.minute), orders.Total(each.orders, each.revenue))
            for each in payloads
        ]
