"""The course of a subscription: what both faces share, which is all but the waiting.

Theory of operation. One librdkafka consumer, used by one thread at a time, the subscription's own.
Each `step` looks at Kafka once, for at most 0.1 s; between steps whoever has something to say can
say it: pause, seek, commit. Partitions come and go inside a step, that is, after the events of the
last batch were handled and their offsets kept: so a cooperative rebalance meets nothing half done.
librdkafka fetches ahead into a queue bounded by bytes; who takes no batch stops the fetching.

An error that goes away (a server was away) makes the next step begin anew where the last batch
ended. Any other stays for ever: an event that cannot be read is never skipped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from mainstem.errors import ConfigurationError, MainstemError, Retry, ServerUnavailable
from mainstem.event import StoredEvent
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Delivered, Place
from mainstem.kafka.group import GroupOptions, GroupReader
from mainstem.kafka.offsets import Ledger, Offsets, Start, begin
from mainstem.kafka.partitions import HandReader
from mainstem.kafka.seeking import Finder
from mainstem.kafka.settings import KafkaSettings
from mainstem.refusals import refusal

WATCH_S: Final = 5.0
"""How often it is looked whether the topics are still there, and still the same ones."""


class Batch(list[StoredEvent[Any]]):
    """Events in the order of each partition, and how far they reach."""

    __slots__ = ("offsets",)

    def __init__(self, events: Iterable[StoredEvent[Any]], offsets: Mapping[Place, int]) -> None:
        """Hold the events; `offsets` has the next one of each partition that is among them."""
        super().__init__(events)
        self.offsets = offsets
        """Keep these where the events' outcome is kept, if the subscription does not do so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is subscribed to, and from where up to where."""

    topics: tuple[str, ...]
    group: str | None = None
    keeper: Offsets | None = None
    """Who keeps the offsets; None: Kafka, if there is a group, else nobody."""
    start: Start | None = None
    until: Mapping[Place, int] | None = None
    options: GroupOptions = field(default_factory=GroupOptions)

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        if not self.topics:
            raise ConfigurationError("a subscription needs a topic")
        if self.group is not None and self.until is not None:
            raise ConfigurationError(
                "a member of a group cannot tell when a place is reached that others may read",
                hint="leave `group` out to read up to `until`",
            )


class Goal(NamedTuple):
    """Where to go on from: one of the three."""

    time: datetime | None
    lsn: int | None
    offsets: Mapping[Place, int] | None


class Course:
    """One subscription's reading; for one thread at a time."""

    def __init__(self, kafka: KafkaSettings, decoder: Decoder, request: Request) -> None:
        """Connect at the first step, not before."""
        self._kafka = kafka
        self._decoder = decoder
        self._request = request
        self._reader: GroupReader | HandReader | None = None
        self._finder: Finder | None = None
        self._ledger: Ledger | None = None
        self._failure: MainstemError | None = None
        self._next: dict[Place, int] = {}
        self._handed: dict[Place, int] = {}
        self._due: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._ids: dict[str, str] = {}
        self._watched_s = time.monotonic()
        self._kept: list[Delivered] = []
        self.stopping = False
        """Set it from anywhere: the course ends before its next batch."""
        self.ended = False

    @property
    def name(self) -> str:
        """What its thread is called."""
        return f"mainstem-{self._request.topics[0]}"

    @property
    def places(self) -> frozenset[Place]:
        """The partitions at hand."""
        return frozenset() if self._reader is None else self._reader.places

    def step(self) -> Batch | None:
        """The next batch if it is there, after at most 0.1 s; None at the end, too (`ended`).

        Asking says that the last batch was handled: then its offsets are kept in Kafka, if it is
        Kafka that keeps them.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return self._step()
        except Exception as error:
            self._broken(error)
            raise

    def hand_over(self, batch: Batch) -> Batch:
        """Give the batch to who asked for it: from now on it counts as handed out."""
        if self._request.group is not None:
            self._handed = dict(batch.offsets)
        return batch

    def take_back(self, batch: Batch) -> None:
        """Read the batch again later: nobody was there to take it."""
        firsts: dict[Place, int] = {}
        for event in batch:
            assert event.partition is not None, "it came through Kafka"
            assert event.offset is not None, "the same"
            firsts.setdefault(Place(event.topic, event.partition), event.offset)
        self._go_back(firsts)
        self._failure = None

    def commit(self) -> None:
        """Keep the offsets of what was handed out in Kafka, now; ServerUnavailable if it fails."""
        if self._request.group is None or self._request.keeper is not None:
            raise ConfigurationError("this subscription's offsets are not kept in Kafka")
        self._due.update(self._handed)
        self._handed = {}
        if not self._keep_due():
            raise ServerUnavailable(
                "the group's partitions are being shared out anew, and no offset was kept",
                hint="ask for the next batch, which comes again if another member got it",
            )

    def pause(self, places: Iterable[Place] | None) -> None:
        """Hand out nothing more of these partitions, of all at hand by default, for now."""
        some = self.places if places is None else frozenset(places) & self.places
        waiting: dict[Place, int] = {}
        for each in self._kept:
            if (place := place_in(each)) in some:
                waiting.setdefault(place, each.offset)
        self._go_back(waiting)
        if self._reader is not None and some:
            self._reader.pause(some)
        self._paused |= some

    def resume(self, places: Iterable[Place] | None) -> None:
        """Hand out these partitions again, by default all."""
        some = frozenset(self._paused if places is None else places) & self._paused
        self._paused -= some
        if self._reader is not None and (here := some & self.places):
            self._reader.resume(here)

    def seek(self, goal: Goal) -> None:
        """Go on from there, in the partitions at hand; a failed event may so be passed."""
        if self._reader is None:
            raise ConfigurationError(
                "nothing is read yet that could go on elsewhere",
                hint="say `start=` where you subscribe, or seek after the first batch",
            )
        for place, offset in self._sought(goal).items():
            self._forget({place})
            self._reader.seek(place, offset)
            self._next[place] = offset
            if self._request.group is not None:
                self._handed[place] = offset
            if place in self._paused:
                self._reader.pause([place])
        self._failure = None

    def close(self, *, handled: bool) -> None:
        """Leave Kafka; the last batch's offsets are kept if it was `handled`. Twice is fine."""
        self.stopping = self.ended = True
        reader, self._reader = self._reader, None
        if reader is None:
            return
        try:
            if self._ledger is not None:
                self._ledger.keep(reader, self._due | (self._handed if handled else {}))
        finally:
            self._handed, self._due = {}, {}
            reader.close()

    def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """As a listener of the group: where these partitions begin."""
        reader, finder = self._reader, self._finder
        assert reader is not None, "they come inside of a step"
        assert finder is not None, "it was made together with the reader"
        self._identify(places, finder)
        if self._ledger is None:
            return self._starts(places, finder)
        kept = self._ledger.load(reader, places)
        new = begin(finder, self._request.start, [each for each in places if each not in kept])
        # Kept at once: `latest` would be another place at the next start.
        self._ledger.keep(reader, new)
        return kept | new

    def revoked(self, places: Sequence[Place], *, lost: bool) -> None:
        """As a listener of the group: these go to others."""
        self._paused -= set(places)
        reader = self._reader
        if self._ledger is not None and reader is not None and not lost:
            due = {place: self._due[place] for place in places if place in self._due}
            self._ledger.keep(reader, due)
        for place in places:
            self._due.pop(place, None)
            self._next.pop(place, None)
        self._forget(set(places))

    def _step(self) -> Batch | None:
        """As `step`, without looking after failures."""
        self._due.update(self._handed)
        self._handed = {}
        self._keep_due()
        if self.stopping or self.ended:
            self.ended = True
            return None
        reader = self._reader or self._opened()
        self._watch()
        arrived, self._kept = self._kept or reader.batch(), []
        until = self._request.until
        if until is not None:
            arrived = [each for each in arrived if each.offset < until.get(place_in(each), 0)]
        if arrived:
            return self._batch(arrived)
        self.ended = until is not None and all(
            reader.reached.get(place, 0) >= end for place, end in until.items()
        )
        return None

    def _opened(self) -> GroupReader | HandReader:
        """Join the group, or take up all partitions by hand."""
        request = self._request
        finder = self._finder = self._finder or Finder(self._kafka)
        if request.group is None:
            reader = HandReader(self._kafka, request.topics)
            self._reader = reader
            self._identify(reader.known, finder)
            reader.take_up(self._starts(reader.known, finder))
            return reader
        if request.keeper is None:
            self._ledger = Ledger(finder)
        self._reader = GroupReader(
            self._kafka, request.topics, request.group, self, request.options
        )
        return self._reader

    def _identify(self, places: Iterable[Place], finder: Finder) -> None:
        """Remember the ids of topics that are new here."""
        if new := {place.topic for place in places} - set(self._ids):
            self._ids.update(finder.topic_ids(new))

    def _watch(self) -> None:
        """Raise where a topic is gone, or another one of its name; librdkafka tells of neither."""
        if time.monotonic() - self._watched_s < WATCH_S or self._finder is None:
            return
        self._watched_s = time.monotonic()
        for name, topic_id in self._finder.topic_ids(
            {place.topic for place in self.places}
        ).items():
            former = self._ids.setdefault(name, topic_id)
            if former != topic_id:
                raise refusal(
                    "topic-recreated",
                    f"{name} was read with id {former}, and has id {topic_id} now",
                )

    def _starts(self, places: Sequence[Place], finder: Finder) -> dict[Place, int]:
        """Where partitions begin whose offsets are not in Kafka."""
        known: dict[Place, int] = {}
        keeper = self._request.keeper
        if keeper is not None:
            known = dict(keeper.load(places))
        if self._request.group is None:
            known |= self._next
        new = begin(finder, self._request.start, [each for each in places if each not in known])
        return known | new

    def _keep_due(self) -> bool:
        """Keep in Kafka what was handled; False while the group is shared out anew."""
        if self._ledger is not None and self._reader is not None and self._due:
            # What is no longer at hand is another member's, and its offset with it.
            held = {place: at for place, at in self._due.items() if place in self._reader.places}
            if not self._ledger.keep(self._reader, held):
                return False
        self._due = {}
        return True

    def _batch(self, arrived: list[Delivered]) -> Batch:
        """The events up to the first that cannot be decoded.

        Its error stays for ever, unless it was only the registry that was away.
        """
        events: list[StoredEvent[Any]] = []
        reach: dict[Place, int] = {}
        stored = self._decoder.stored
        for number, each in enumerate(arrived):
            try:
                events.append(stored(each))
            except MainstemError as error:
                if error.retry is Retry.LATER:
                    self._kept = arrived[number:]
                else:
                    self._failure = error
                if not events:
                    raise
                break
            reach[Place(each.topic, each.partition)] = each.offset + 1
        self._next.update(reach)
        return Batch(events, reach)

    def _sought(self, goal: Goal) -> Mapping[Place, int]:
        """The offsets that the goal means, of partitions at hand."""
        finder, places = self._finder, self.places
        assert finder is not None, "it was made together with the reader"
        if goal.time is not None:
            return finder.at_time(places, goal.time)
        if goal.lsn is not None:
            return finder.at_lsn(places, goal.lsn)
        offsets = goal.offsets or {}
        if strange := sorted(set(offsets) - places):
            raise ConfigurationError(f"{strange[0]} is not at hand, so it cannot be sought")
        return offsets

    def _forget(self, places: Iterable[Place]) -> None:
        """Drop what came of these and was not handed out."""
        gone = frozenset(places)
        self._kept = [each for each in self._kept if place_in(each) not in gone]

    def _go_back(self, offsets: Mapping[Place, int]) -> None:
        """Read these again that were fetched and not handed out."""
        self._forget(offsets)
        for place, offset in offsets.items():
            self._next[place] = offset
            if self._reader is not None and place in self._reader.places:
                self._reader.seek(place, offset)
                self._reader.pause([place] if place in self._paused else [])

    def _broken(self, error: Exception) -> None:
        """Keep an error that stays; after another, begin anew."""
        if error is self._failure or self._kept:
            # It is about an event: the reading itself is sound.
            return
        if isinstance(error, MainstemError) and error.retry is not Retry.LATER:
            self._failure = error
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


def place_in(delivered: Delivered) -> Place:
    """The partition of a message."""
    return Place(delivered.topic, delivered.partition)
