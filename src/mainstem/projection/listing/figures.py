"""Figures of projections: what their tables and Kafka say, put together; pure.

A projection is behind by the offsets from the first event that it has not applied up to where
committed events can be read now. Markers of transactions are among them, because Kafka counts them
as well: so the figure is exact when it is 0, and else at most the number of events plus markers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from mainstem.kafka.delivered import Place

RETIRED: Final = "retired"
SERVING: Final = "serving"


class Halt(NamedTuple):
    """A partition that stands still."""

    topic: str
    partition: int
    offset: int
    event_id: int | None
    error_type: str
    attempts: int
    halted_at: datetime


class Known(NamedTuple):
    """A projection, as its row says."""

    group: str
    name: str
    version: int
    state: str
    schema: str
    topics: list[str]
    dead_letters: int


class Reached(NamedTuple):
    """How far a projection is in one partition."""

    topic_id: str
    offset: int
    """The last one that is done with."""
    events: int
    """Applied since the beginning."""


class Topic(NamedTuple):
    """What Kafka says of a topic."""

    topic_id: str
    ends: Mapping[int, int]
    """Partition -> up to where committed events can be read."""


class Span(NamedTuple):
    """Offsets that are not done with, of one partition."""

    start: int
    end: int


class First(NamedTuple):
    """The first event of a span."""

    offset: int
    timestamp_ms: int


class Lag(NamedTuple):
    """How far a projection is behind."""

    events: int
    seconds: float
    """Age of the oldest event that is not applied, by its own timestamp; 0 where there is none."""


class Listed(NamedTuple):
    """A projection and how it is."""

    known: Known
    members: int
    """Projectors that are in its consumer group now."""
    partitions: int
    lag: Lag | None
    unknown: str
    """Why there is no lag."""
    events: int
    """Applied since the beginning."""
    events_per_s: float | None
    halts: tuple[Halt, ...]

    @property
    def state(self) -> str:
        """In one word: retired, halted, building, running or stopped."""
        if self.known.state != RETIRED and self.halts:
            return "halted"
        if self.known.state != SERVING:
            return self.known.state
        return "running" if self.members else "stopped"


def why_unknown(known: Known, reached: Mapping[Place, Reached], topics: Mapping[str, Topic]) -> str:
    """Why nobody can say how far a projection is behind; empty where one can."""
    if known.state == RETIRED:
        return "retired: nothing is applied any more"
    if not reached:
        return "no offsets are here: it never ran, or keeps them in a table of its own"
    for place, (topic_id, _, _) in sorted(reached.items()):
        topic = topics.get(place.topic)
        if topic is None:
            return f"Kafka has no topic {place.topic}"
        if topic.topic_id != topic_id:
            return f"Kafka's topic {place.topic} is another one than was read"
    return ""


def spans(
    known: Known, reached: Mapping[Place, Reached], topics: Mapping[str, Topic]
) -> dict[Place, Span]:
    """What is not done with, in all partitions of its topics; one without an offset is at -1."""
    found = {}
    for name in known.topics:
        for partition, end in topics[name].ends.items() if name in topics else ():
            at = reached.get(Place(name, partition))
            found[Place(name, partition)] = Span(at.offset + 1 if at else 0, end)
    return found


def lag(open_: Mapping[Place, Span], firsts: Mapping[Place, First], now_s: float) -> Lag:
    """How far behind, when these are the first events of the spans; one without has none."""
    events = sum(open_[place].end - first.offset for place, first in firsts.items())
    oldest_ms = min((first.timestamp_ms for first in firsts.values()), default=None)
    return Lag(events, 0.0 if oldest_ms is None else max(0.0, now_s - oldest_ms / 1000))


def applied(reached: Mapping[Place, Reached]) -> int:
    """Events that a projection has applied."""
    return sum(each.events for each in reached.values())


def rate(before: int, after: int, seconds: float) -> float | None:
    """Events a second between two looks; None where there was only one."""
    return max(0, after - before) / seconds if seconds > 0 else None


def by_topic(open_: Mapping[Place, Span]) -> Iterable[tuple[str, dict[int, Span]]]:
    """The spans of each topic that has any events open."""
    for topic in sorted({place.topic for place, (start, end) in open_.items() if start < end}):
        yield topic, {place.partition: span for place, span in open_.items() if place[0] == topic}
