"""Marks: which offsets a projection must have reached, and whether it has; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

NOT_BEGUN = -1
TOLD_MAX = 3
"""How many partitions an error names."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """`order_events[3]`, for people."""
        return f"{self.topic}[{self.partition}]"


class Standing(NamedTuple):
    """How far a projection is in one partition."""

    offset: int
    """The last one that is done with; transaction markers count."""
    halted_by: str | None = None
    """The type of the error that it stopped at."""


Standings: TypeAlias = Mapping[Place, Standing]
"""Of one projection; a partition that it has not begun is not there."""


class Follower(NamedTuple):
    """A projection, as far as waiting for it goes."""

    group: str
    topics: frozenset[str]


class Behind(NamedTuple):
    """A partition in which a projection has not reached a mark."""

    group: str
    place: Place
    offsets: int
    """How many are still to come."""
    halted_by: str | None

    def __str__(self) -> str:
        """`revenue.v1 is 12 offsets behind in order_events[0]`."""
        return f"{self.group} is {self.offsets} offsets behind in {self.place}"


class Mark(NamedTuple):
    """No event that committed below `lsn` is beyond these offsets."""

    lsn: int
    lasts: Mapping[Place, int]

    def behind(self, standings: Mapping[Follower, Standings]) -> Iterator[Behind]:
        """Where something before the mark is still to be applied; none: the mark is reached."""
        for follower, places in standings.items():
            for place, last in self.lasts.items():
                offset, halted_by = places.get(place, Standing(NOT_BEGUN))
                if place.topic in follower.topics and offset < last:
                    yield Behind(follower.group, place, last - offset, halted_by)


def last_of(visible_end: int, end: int) -> int:
    """The last offset that an event can have which was written before these ends were asked for.

    The visible end first, then the end of the log. Each event of the replicator is followed by the
    marker of its transaction. Where both ends are one, no transaction was open: then the marker is
    there too, and the event lies before it. A projector tells of an event at once, but of a marker
    only when it has met the end of the log.
    """
    return end - 2 if visible_end == end else end - 1


def standings_of(rows: Iterable[tuple[str, int, int, str | None]]) -> Standings:
    """The rows of `statements.standings`, by their place."""
    return {
        Place(topic, partition): Standing(offset, halted_by)
        for topic, partition, offset, halted_by in rows
    }


def told(behind: Sequence[Behind]) -> str:
    """The first few of them, for people."""
    more = len(behind) - TOLD_MAX
    return "; ".join(map(str, behind[:TOLD_MAX])) + (f"; and {more} more" if more > 0 else "")
