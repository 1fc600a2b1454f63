"""The builder: applies what the feed reads to the shadow, in large transactions, up to a target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.batch import Arrival, Batch, Move
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.rebuilding.decoding import Decode
from mainstem.projection.rebuilding.feeding import Feed, Portion, below


class Applies(Protocol):
    """What applies a batch in one transaction."""

    def apply(self, batch: Batch) -> None:
        """Apply it, or raise."""

    def judge(self, batch: Batch, failed: HandlerFailed) -> bool:
        """Be done with a batch of one event that failed; False: it is not to be passed."""


class Source(NamedTuple):
    """What is read, and how it becomes arrivals."""

    kafka: KafkaSettings
    topics: tuple[str, ...]
    decode: Decode
    batch_events_max: int
    """In one transaction."""


@dataclass(slots=True)
class Standing:
    """Where the shadow is: changed by the builder alone."""

    topic_ids: Mapping[str, str]
    done: dict[Place, int]
    """The last offset of each partition that is done with, as the table of offsets has it."""
    events: int = 0
    """Applied in this run."""

    @property
    def reached(self) -> dict[Place, int]:
        """The next offset of each partition."""
        return {place: offset + 1 for place, offset in self.done.items()}

    def covers(self, until: Mapping[Place, int]) -> bool:
        """Whether everything below these offsets is done."""
        return all(self.done.get(place, -1) + 1 >= end for place, end in until.items())

    def take(self, moves: Iterable[Move]) -> None:
        """Note what was committed."""
        for move in moves:
            self.done[move.place] = move.reached
            self.events += move.events


@dataclass(slots=True)
class Pending:
    """What was read and is not applied yet."""

    arrivals: list[Arrival] = field(default_factory=list)
    reached: dict[Place, int] = field(default_factory=dict)

    def add(self, portion: Portion) -> None:
        """Take a portion in."""
        self.arrivals += portion.arrivals
        self.reached.update(portion.reached)

    def halves(self) -> tuple[Pending, Pending]:
        """Two parts with as many events, the earlier ones first."""
        middle = len(self.arrivals) // 2
        first = self.arrivals[:middle]
        reached = {
            Place(each.delivered.topic, each.delivered.partition): each.delivered.offset + 1
            for each in first
        }
        return Pending(first, reached), Pending(self.arrivals[middle:], self.reached)

    def batch(self, standing: Standing) -> Batch:
        """All of it as one transaction; empty where no offset moves."""
        last: dict[Place, Arrival] = {}
        counts: dict[Place, int] = {}
        for arrival in self.arrivals:
            place = Place(arrival.delivered.topic, arrival.delivered.partition)
            counts[place] = counts.get(place, 0) + 1
            if arrival.event is not None:
                last[place] = arrival
        moves = tuple(
            move_of(standing, place, end, (last.get(place), counts.get(place, 0)))
            for place, end in self.reached.items()
            if end - 1 > standing.done[place]
        )
        return Batch(self.arrivals, moves)


class Builder:
    """Brings a shadow up to given offsets; for one thread."""

    def __init__(
        self,
        source: Source,
        applier: Applies,
        standing: Standing,
        observe: Callable[[Standing], None],
    ) -> None:
        """Read nothing before the first target is given."""
        self._source = source
        self._applier = applier
        self.standing = standing
        self._observe = observe
        self._stack = ExitStack()
        self._feed: Feed | None = None

    def close(self) -> None:
        """End the reading."""
        self._stack.close()
        self._feed = None

    def reach(self, until: Mapping[Place, int]) -> None:
        """Apply everything below these offsets; more, where there is more already."""
        if self.standing.covers(until):
            return
        if self._feed is None:
            self._feed = self._stack.enter_context(self._begin())
        self._apply_from(self._feed, until, lambda portion: portion)

    def reach_exactly(self, until: Mapping[Place, int]) -> None:
        """Apply everything below these offsets, and nothing beyond them."""
        if self.standing.covers(until):
            return
        assert self._feed is None, "what a running feed holds would be beyond"
        with self._begin() as feed:
            self._apply_from(feed, until, lambda portion: below(portion, until))

    def _begin(self) -> Feed:
        """A feed from where the shadow is."""
        source = self._source
        return Feed(source.kafka, source.topics, source.decode, self.standing.reached)

    def _apply_from(
        self, feed: Feed, until: Mapping[Place, int], cut: Callable[[Portion], Portion]
    ) -> None:
        """Gather portions into large batches and apply those, until the target is reached."""
        pending = Pending(reached=self.standing.reached)
        while not self.standing.covers(until):
            portion = feed.portion()
            self._observe(self.standing)
            if portion is not None:
                pending.add(cut(portion))
            full = len(pending.arrivals) >= self._source.batch_events_max
            if full or portion is None or reaches(pending.reached, until):
                self._apply(pending)
                pending = Pending(reached=self.standing.reached)

    def _apply(self, pending: Pending) -> None:
        """Apply what was read, but for events that are set aside; HandlerFailed names the event."""
        batch = pending.batch(self.standing)
        if not batch.moves:
            return
        try:
            self._applier.apply(batch)
        except HandlerFailed as failed:
            if len(batch.arrivals) > 1:
                for half in pending.halves():
                    self._apply(half)
                return
            if not self._applier.judge(batch, failed):
                raise at_event(failed, batch) from failed
        self.standing.take(batch.moves)
        self._observe(self.standing)


def at_event(failed: HandlerFailed, batch: Batch) -> HandlerFailed:
    """The error, with the place of the one event that cannot be applied."""
    place = batch.arrivals[0].delivered.place if batch.arrivals else "no event"
    error = HandlerFailed(f"{place}: {failed.message}", failed.reason)
    error.hint = "correct the handler, then run the rebuild again"
    return error


def reaches(reached: Mapping[Place, int], until: Mapping[Place, int]) -> bool:
    """Whether these offsets are at the others, or beyond."""
    return all(reached.get(place, 0) >= end for place, end in until.items())


def move_of(standing: Standing, place: Place, end: int, found: tuple[Arrival | None, int]) -> Move:
    """What a batch does to one partition."""
    arrival, count = found
    position = arrival.event.position if arrival is not None and arrival.event else None
    topic_id = standing.topic_ids[place.topic]
    return Move(*place, topic_id, standing.done[place], end - 1, position, count)
