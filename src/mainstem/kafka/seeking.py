"""Finding offsets: by time, by LSN, and at the end.

Events of a partition are in commit order, so an LSN is found by halving: the event at the middle
tells by its header on which side it lies. Offsets need not hold an event (transaction markers,
aborted ones, events without an LSN); then the next one that has an LSN speaks for them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from confluent_kafka.admin import OffsetSpec

from mainstem.errors import ServerUnavailable
from mainstem.event import floored, parse_lsn, to_millis
from mainstem.kafka.delivered import Delivered, Place
from mainstem.kafka.partitions import HandReader
from mainstem.kafka.records import LSN
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EARLIEST, LATEST, Topics

FETCH_WAIT_MS: Final = 1
"""A look elsewhere begins when the fetch under way has ended."""
PROBE_S: Final = 20.0
"""How long one look at an offset may take."""


class Finder:
    """Finds offsets in Kafka; UnknownTopic and ServerUnavailable."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Connect at the first question."""
        self._kafka = kafka
        self._topics = Topics(kafka)

    def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """The id of each topic, which changes when it is deleted and created again."""
        return self._topics.ids(list(names))

    def firsts(self, places: Iterable[Place]) -> dict[Place, int]:
        """The first offsets that Kafka holds."""
        return self._topics.offsets(places, EARLIEST)

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where the committed events end now, before what open transactions hide."""
        return self._topics.offsets(places, LATEST)

    def at_time(self, places: Iterable[Place], moment: datetime) -> dict[Place, int]:
        """The first event of each that happened at this moment or later, or the end."""
        wanted = list(places)
        millis = to_millis(floored(moment))
        found = self._topics.offsets(wanted, OffsetSpec.for_timestamp(millis))
        if none := [place for place, offset in found.items() if offset < 0]:
            found.update(self.ends(none))
        return found

    def at_lsn(self, places: Iterable[Place], lsn: int) -> dict[Place, int]:
        """The first event of each that committed at this LSN or later, or the end."""
        wanted = list(places)
        firsts, ends = self.firsts(wanted), self.ends(wanted)
        found = {}
        names = sorted({place.topic for place in wanted})
        with HandReader(self._kafka, names, fetch_wait_ms=FETCH_WAIT_MS) as reader:
            for place in wanted:
                found[place] = halved(reader, place, (firsts[place], ends[place]), lsn)
                # At hand it stays, but nothing more of it is fetched.
                reader.pause([place] if place in reader.places else [])
        return found


def halved(reader: HandReader, place: Place, span: tuple[int, int], lsn: int) -> int:
    """The first offset within the span whose event, or the next that tells, has this LSN."""
    low, high = span
    while low < high:
        middle = (low + high) // 2
        found = first_that_tells(reader, place, middle, high)
        if found is None or found[1] >= lsn:
            high = middle
        else:
            low = found[0] + 1
    return low


def first_that_tells(
    reader: HandReader, place: Place, start: int, end: int
) -> tuple[int, int] | None:
    """Offset and LSN of the first event from `start` on that has one; None before `end`."""
    if place in reader.places:
        reader.seek(place, start)
    else:
        reader.take_up({place: start})
    deadline_s = time.monotonic() + PROBE_S
    while reader.reached[place] < end:
        for each in reader.batch():
            if Place(each.topic, each.partition) != place or each.offset < start:
                continue
            if each.offset >= end:
                return None
            if (lsn := lsn_of(each)) is not None:
                return each.offset, lsn
        if time.monotonic() > deadline_s:
            raise ServerUnavailable(f"Kafka did not show {place} from offset {start} on in time")
    return None


def lsn_of(delivered: Delivered) -> int | None:
    """The LSN that the message's header tells."""
    header = dict(delivered.headers or ()).get(LSN)
    return None if header is None else parse_lsn(header.decode("ascii", "replace"))
