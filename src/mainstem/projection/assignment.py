"""Assignment: partitions come and go, with their offsets, and each has a lane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mainstem.kafka.delivered import Place
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.sessions import Session
from mainstem.projection.definition import Definition
from mainstem.projection.lane import Lane
from mainstem.projection.offsets import Reached, loading
from mainstem.projection.points import Point, Probe
from mainstem.projection.portion import Holding
from mainstem.projection.reporting import Counters
from mainstem.projection.seat import Seat
from mainstem.projection.setaside.statements import halts
from mainstem.refusals import refusal

GIVE_UP_S: Final = 5.0
"""How long a rebalance waits for a transaction, so that the next member finds it committed."""


class Assignment:
    """The partitions of one member; hears from its GroupReader, in the projector's thread."""

    def __init__(
        self,
        definition: Definition,
        seat: Seat,
        servers: tuple[Session, Topics],
        lanes: Sequence[Lane],
        probe: Probe,
    ) -> None:
        """Share partitions out among these lanes."""
        self._definition = definition
        self._seat = seat
        self._session, self._topics = servers
        self._lanes = lanes
        self._probe = probe
        self._generation = 0
        self.topic_ids: dict[str, str] = {}
        self.generations: dict[Place, int] = {}
        self.starts: dict[Place, int] = {}
        """Where each partition was taken up last: the next offset then."""
        self.counters = Counters()

    def lane(self, place: Place) -> Lane:
        """The lane of a partition, always the same one."""
        return self._lanes[place.partition % len(self._lanes)]

    def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Read the offsets of new partitions, and let their lanes take them up."""
        self.counters.rebalances += 1
        self._identify({place.topic for place in places})
        starts = self.take_up(places)
        self._probe(Point.ASSIGNED)
        return starts

    def revoked(self, places: Sequence[Place], *, lost: bool) -> None:
        """Let go of partitions; what was not committed is the next member's."""
        self._probe(Point.REVOKED)
        for place in places:
            self.generations.pop(place, None)
        for lane, some in self._by_lane(places).items():
            lane.give_up(some, 0.0 if lost else GIVE_UP_S)

    def take_up(self, places: Iterable[Place]) -> dict[Place, int]:
        """Begin partitions where their offsets are now; the next offset of each."""
        self._generation += 1
        starts: dict[Place, int] = {}
        for place, reached in self._load(places).items():
            topic_id = self.topic_ids[place.topic]
            holding = Holding(topic_id, reached.offset, reached.position, self._generation)
            self.generations[place] = self._generation
            self.lane(place).take_up({place: holding})
            self.starts[place] = starts[place] = reached.offset + 1
        return starts

    def check_topics(self) -> None:
        """Raise the refusal where a topic is no longer the one that was read."""
        for topic, shape in self._topics.shapes(self.topic_ids).items():
            if shape.topic_id != (former := self.topic_ids[topic]):
                raise refusal(
                    "projection-topic-recreated",
                    f"{topic} was read with id {former}, and has id {shape.topic_id} now",
                )

    def halts(self) -> frozenset[Place]:
        """Partitions that are noted to stand still; an operator may have cleared some."""
        rows = self._session.ask(halts(self._seat.group))
        return frozenset(Place(topic, partition) for topic, partition, _ in rows)

    def ends(self, *, committed: bool) -> dict[Place, int]:
        """Where all partitions end now; `committed`: up to where events can be read.

        A commit is marked in one partition after another, so that a committed event may still be
        hidden for a moment: only the other ends take everything in.
        """
        return self._topics.all_ends(self._definition.topics, committed=committed)

    def done(self, places: Iterable[Place]) -> dict[Place, int]:
        """The last offset that is done with in these partitions, whoever did it."""
        wanted = list(places)
        self._identify({place.topic for place in wanted} - set(self.topic_ids))
        return {place: reached.offset for place, reached in self._load(wanted).items()}

    def _load(self, places: Iterable[Place]) -> Mapping[Place, Reached]:
        table, group = self._definition.offsets, self._seat.group
        return self._session.run(lambda _scope: loading(table, group, self.topic_ids, places))

    def _identify(self, topics: Iterable[str]) -> None:
        """Look the ids of topics up, anew at each assignment; UnknownTopic."""
        self.topic_ids.update(self._topics.ids(topics))

    def _by_lane(self, places: Iterable[Place]) -> dict[Lane, list[Place]]:
        by_lane: dict[Lane, list[Place]] = defaultdict(list)
        for place in places:
            by_lane[self.lane(place)].append(place)
        return by_lane
