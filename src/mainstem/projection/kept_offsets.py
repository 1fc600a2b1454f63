"""Offsets of a subscription, kept in PostgreSQL: for who applies events by a loop of his own.

`subscribe(…, offsets=PostgresOffsets(…))` begins where the table says, and `save` moves it in the
transaction of the rows that the batch became, by compare-and-set, as a projector does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.errors import UnknownTopic
from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.lending import AsyncWithin, Within, lend, lend_async
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan
from mainstem.projection import statements
from mainstem.projection.batch import Move
from mainstem.projection.errors import OffsetsMoved
from mainstem.projection.offsets import TopicIdentity, loaded


class PostgresOffsets:
    """The offsets of one group, in `_mainstem.projection_offsets`.

    After a transaction that was rolled back, open the subscription anew: it begins at what is
    committed. OffsetsMoved tells that another member went on from there: roll back, and do so too.
    """

    def __init__(self, dsn: str, kafka: KafkaSettings, group: str) -> None:
        """Look into this database when partitions are given to the subscription."""
        self._dsn = dsn
        self._kafka = kafka
        self._group = group
        self._done: dict[Place, int] = {}
        self._topic_ids: dict[str, str] = {}

    def load(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """The next offset of each partition; those that are new begin at the beginning.

        Raises UnknownTopic, ServerUnavailable, and the refusal `projection-topic-recreated`.
        """
        by_topic: dict[str, list[int]] = defaultdict(list)
        for place in places:
            by_topic[place.topic].append(place.partition)
        described = Topics(self._kafka).describe(by_topic, with_ends=False)
        starts: dict[Place, int] = {}
        session = Session(self._dsn)
        try:
            for topic, partitions in by_topic.items():
                if topic not in described:
                    raise UnknownTopic(f"Kafka has no topic {topic}")
                identity = TopicIdentity(topic, described[topic].topic_id)
                self._topic_ids[topic] = identity.topic_id
                starts |= self._load(session, identity, partitions)
        finally:
            session.close()
        return starts

    def save(self, offsets: Mapping[Place, int], *, within: Within) -> None:
        """Move the offsets to these next ones in the caller's transaction; OffsetsMoved."""
        lend(within).run(lambda _scope: self._moving(offsets))

    async def save_async(self, offsets: Mapping[Place, int], *, within: AsyncWithin) -> None:
        """As `save`, for asyncio."""
        await lend_async(within).run(lambda _scope: self._moving(offsets))

    def _load(
        self, session: Session, identity: TopicIdentity, partitions: Sequence[int]
    ) -> dict[Place, int]:
        found = session.run(lambda _scope: loaded(self._group, identity, partitions))
        starts = {}
        for partition, reached in found.items():
            place = Place(identity.topic, partition)
            self._done[place] = reached.offset
            starts[place] = reached.offset + 1
        return starts

    def _moving(self, offsets: Mapping[Place, int]) -> Plan[None]:
        moves = [
            Move(*place, self._topic_ids[place.topic], self._done[place], after - 1, None, 0)
            for place, after in offsets.items()
        ]
        rows: list[Any] = yield statements.advance(self._group, moves)
        if len(rows) != len(moves):
            places = ", ".join(f"{place}@{self._done[place]}" for place in offsets)
            raise OffsetsMoved(f"{self._group} is no longer at {places}")
        self._done.update({place: after - 1 for place, after in offsets.items()})
