"""Where a subscription begins, and who keeps how far it came: Kafka, the caller, or nobody.

What a group keeps in Kafka is noted together with the topic's id, which changes when a topic is
deleted and created again: offsets of the former topic are refused, and never taken for ones of the
new. A place of which nothing is kept begins where `start` says; where it is not said, that is an
error, because it cannot be told from offsets that were lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

from mainstem.errors import ConfigurationError
from mainstem.event import Position
from mainstem.kafka.delivered import Place
from mainstem.kafka.partitions import PartitionReader
from mainstem.kafka.seeking import Finder
from mainstem.refusals import refusal

Start: TypeAlias = Literal["earliest", "latest"] | datetime | Position
"""The beginning, what comes from now on, a moment, or a place in commit order."""

IN_KAFKA: Final = "kafka"


class Offsets(Protocol):
    """Who keeps the next offset of each partition, for a caller that stores them himself."""

    def load(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """The next offsets of these; those that it does not know are left out."""
        ...


class Given:
    """Offsets that were given once, with the subscription."""

    def __init__(self, offsets: Mapping[Place, int]) -> None:
        """Keep them."""
        self._offsets = offsets

    def load(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Those of these places."""
        return {place: self._offsets[place] for place in places if place in self._offsets}


class Ledger:
    """What a group keeps in Kafka."""

    def __init__(self, finder: Finder) -> None:
        """Ask this one for the ids of topics."""
        self._finder = finder
        self._ids: dict[str, str] = {}

    def load(self, reader: PartitionReader, places: Sequence[Place]) -> dict[Place, int]:
        """The next offsets that are kept; the refusal `topic-recreated` for another topic's."""
        self._ids.update(self._finder.topic_ids({place.topic for place in places}))
        kept = reader.committed(places)
        for place, (offset, note) in kept.items():
            if note and note != self._ids.get(place.topic):
                raise refusal(
                    "topic-recreated",
                    f"offset {offset} of {place} was kept for the topic with id {note},"
                    f" which has id {self._ids.get(place.topic)} now",
                )
        return {place: offset for place, (offset, _) in kept.items()}

    def keep(self, reader: PartitionReader, offsets: Mapping[Place, int]) -> bool:
        """Keep these next offsets; False while the group is shared out anew."""
        return not offsets or reader.commit(offsets, self._ids)


def begin(finder: Finder, start: Start | None, places: Iterable[Place]) -> dict[Place, int]:
    """Where these places begin, of which nothing is kept; ConfigurationError if nothing is said."""
    wanted = list(places)
    if not wanted:
        return {}
    if start == "earliest":
        return finder.firsts(wanted)
    if start == "latest":
        return finder.ends(wanted)
    if isinstance(start, datetime):
        return finder.at_time(wanted, start)
    if isinstance(start, Position):
        return finder.at_lsn(wanted, start.lsn)
    raise ConfigurationError(
        f"no offset is kept of {wanted[0]}"
        + (f" and {len(wanted) - 1} other partitions" if len(wanted) > 1 else ""),
        hint='the first time, say where to begin: start="earliest" or "latest"; later it means'
        " that the offsets were lost, which Kafka does a week after a group's last commit",
    )
