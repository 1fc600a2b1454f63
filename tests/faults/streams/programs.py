"""Programs whose every result says what it should have been, and the events that they take.

An event knows its number among those of its key. So a count, a window and a join can be judged one
by one, whoever computed them, and none may be missing or there twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.event import Event, StoredEvent
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import event_type
from mainstem.streams import Max, StreamApp, Streams, Sum, Window, stream_app
from mainstem.wire import Wire

STEP = timedelta(seconds=1)
WINDOW = timedelta(seconds=10)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@event_type("streams.faults")
@dataclass(frozen=True, slots=True)
class Step:
    """Something happened for the n-th time to a key, from 1."""

    n: int


@event_type("streams.faults")
@dataclass(frozen=True, slots=True)
class Other:
    """Its partner in another topic."""

    n: int


@event_type("streams.faults")
@dataclass(frozen=True, slots=True)
class Result:
    """What the program made of a step: `got` should be `wanted`."""

    n: int
    got: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Topics:
    """What a program reads and writes."""

    app: str
    steps: str
    others: str
    results: str


def registry() -> MemoryRegistry:
    """One that gives the same ids in every process."""
    found = MemoryRegistry()
    wire = Wire(found)
    for cls in (Step, Other, Result):
        wire.prepare(cls)
    return found


def step(key: str, n: int) -> Event[Step]:
    """The n-th of a key."""
    return Event(key, Step(n), BEGIN + n * STEP)


def other(key: str, n: int) -> Event[Other]:
    """The partner of the n-th."""
    return Event(key, Other(n), BEGIN + n * STEP)


def program(kind: str, topics: Topics) -> StreamApp:
    """An application of one of the kinds."""

    @stream_app(topics.app, key_type=str)
    def streams_of(streams: Streams) -> None:
        KINDS[kind](streams, topics)

    return streams_of


def counting(streams: Streams, topics: Topics) -> None:
    """How many steps a key has."""

    def count(event: StoredEvent[Step], state: Any) -> Result:
        got = state.get("n", 0) + 1
        state.set("n", got)
        return Result(event.payload.n, got, event.payload.n)

    streams.subscribe(topics.steps, Step).apply(count, stateful=True).to(topics.results)


def windowing(streams: Streams, topics: Topics) -> None:
    """The sum of the numbers of a key in windows of ten seconds, by the window as it stands."""

    def judged(window: Window[dict[str, Any]]) -> Result:
        first = max((window.start - BEGIN) // STEP, 1)
        last = int(window["last"])
        return Result(last, window["total"], sum(range(first, last + 1)))

    windows = streams.subscribe(topics.steps, Step).tumbling_window(WINDOW)
    totals = windows.agg(total=Sum("n"), last=Max("n")).current()
    totals.apply(judged).to(topics.results)


def joining(streams: Streams, topics: Topics) -> None:
    """Each step with its partner."""

    def pair(left: StoredEvent[Step], right: StoredEvent[Other]) -> Result:
        return Result(left.payload.n, right.payload.n, left.payload.n)

    steps = streams.subscribe(topics.steps, Step)
    others = streams.subscribe(topics.others, Other)
    half = STEP / 2
    joined = steps.join_interval(others, pair, backward=half, forward=half)
    joined.to(topics.results)


def grouping(streams: Streams, topics: Topics) -> None:
    """How many steps each key has, counted behind a topic of the application's own."""

    def count(event: StoredEvent[Step], state: Any) -> Result:
        got = state.get("n", 0) + 1
        state.set("n", got)
        return Result(event.payload.n, got, event.payload.n)

    steps = streams.subscribe(topics.steps, Step)
    grouped = steps.group_by(lambda event: f"again-{event.key!s}", "again")
    grouped.apply(count, stateful=True).to(topics.results)


def mapping(streams: Streams, topics: Topics) -> None:
    """Each step as it is: no state, so nobody waits for the transaction of another."""
    steps = streams.subscribe(topics.steps, Step)
    numbers = steps.apply(lambda event: event.payload.n)
    numbers.apply(lambda n: Result(n, n, n)).to(topics.results)


KINDS = {"map": mapping, "count": counting, "window": windowing, "join": joining, "group": grouping}
