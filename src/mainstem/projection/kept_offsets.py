"""Offsets of a subscription, kept in PostgreSQL: for who applies events by a loop of his own.

`subscribe(…, offsets=PostgresOffsets(…))` begins where the table says, and `save` moves it in the
transaction of the rows that the batch became, by compare-and-set, as a projector does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.lending import AsyncWithin, Within, lend, lend_async
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan
from mainstem.projection import statements
from mainstem.projection.batch import Move
from mainstem.projection.errors import OffsetsMoved
from mainstem.projection.offsets import loading


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
        self._topic_ids.update(Topics(self._kafka).ids({place.topic for place in places}))
        with closing(Session(self._dsn)) as session:
            found = session.run(lambda _scope: loading(None, self._group, self._topic_ids, places))
        self._done.update({place: reached.offset for place, reached in found.items()})
        return {place: reached.offset + 1 for place, reached in found.items()}

    def save(self, offsets: Mapping[Place, int], *, within: Within) -> None:
        """Move the offsets to these next ones in the caller's transaction; OffsetsMoved."""
        lend(within).run(lambda _scope: self._moving(offsets))

    async def save_async(self, offsets: Mapping[Place, int], *, within: AsyncWithin) -> None:
        """As `save`, for asyncio."""
        await lend_async(within).run(lambda _scope: self._moving(offsets))

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
