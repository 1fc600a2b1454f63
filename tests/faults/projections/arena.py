"""Where projections are struck: a database, a topic of some partitions, and members on it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self
from uuid import UUID

import psycopg

from mainstem import Event
from mainstem.kafka.records import ID
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import create_event_topic
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from mainstem.wire import Wire
from tests.faults.projections.member import Member, Orders
from tests.faults.projections.tally import TYPES, Added, Fold, Removed, differences, fold_of
from tests.kafka.publisher import Publisher, delete_topic


class Arena:
    """One database and one topic; members that are still there at the end are killed."""

    def __init__(
        self, dsn: str, kafka: KafkaSettings, topic: str, *, partitions: int, create: bool = True
    ) -> None:
        """`create`: unless a replicator creates the topic."""
        self.dsn, self.kafka, self.topic, self.partitions = dsn, kafka, topic, partitions
        self.registry = CachingRegistry(PostgresRegistry(dsn))
        self.wire = Wire(self.registry, TYPES)
        self.members: list[Member] = []
        self._publisher: Publisher | None = None
        self._count = 0
        for payload in (Added(amount=1), Removed(amount=1)):
            # Schemas are registered before a server is killed or a projector asks for them.
            self.wire.pack(Event(UUID(int=0), payload))
        if create:
            create_event_topic(kafka, topic, partitions=partitions)

    def __enter__(self) -> Self:
        """The arena itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave neither process nor topic behind."""
        for member in self.members:
            if not member.over:
                member.kill()
        delete_topic(self.kafka, self.topic)
        self.registry.close()

    def start(self, **orders: Any) -> Member:
        """Start a member."""
        given = Orders(dsn=self.dsn, bootstrap=self.kafka.bootstrap, topic=self.topic)
        member = Member(replace(given, **orders))
        self.members.append(member)
        return member

    def drain(self, deadline_s: float = 60.0, **orders: Any) -> bool:
        """Let a member apply all that is there; whether it ended by itself, and well."""
        member = self.start(once=True, **orders)
        code = member.ended(deadline_s)
        if code is None:
            member.kill()
        return code == 0

    def publish(self, amounts: Sequence[int], *, keys: int = 5, partition: int = -1) -> None:
        """Publish events in one transaction; their keys go round, negative ones are Removed."""
        with self.publisher.transaction():
            for amount in amounts:
                # A key belongs to one partition, also where that is given.
                key = UUID(int=self._count % keys + keys * (partition + 1))
                self._publish_one(amount, key, partition)

    @property
    def publisher(self) -> Publisher:
        """What publishes; it connects when first needed."""
        if self._publisher is None:
            self._publisher = Publisher(self.kafka)
        return self._publisher

    def fold(self) -> Fold:
        """What the topic says."""
        return fold_of(self.kafka, self.topic, self.wire)

    def differences(self, *, offsets: bool = True) -> int:
        """How much the table, and the offsets, differ from what the topic says."""
        return differences(self.dsn, self.fold(), offsets=offsets)

    def one(self, sql: str) -> Any:
        """The only value that a statement answers."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]

    def _publish_one(self, amount: int, key: UUID, partition: int) -> None:
        payload = Added(amount=amount) if amount >= 0 else Removed(amount=-amount)
        record = self.wire.pack(Event(key, payload))
        self._count += 1
        headers = [(ID, b"%d" % self._count)]
        message = (record.key, record.data, record.timestamp_ms, headers)
        self.publisher.publish_raw(self.topic, message, partition=partition)


def retire(members: Sequence[Member]) -> None:
    """Let members end gracefully, all at once; kill those that do not."""
    for member in members:
        member.send(signal.SIGCONT)
        member.send(signal.SIGTERM)
    for member in members:
        if member.ended(10.0) is None:
            member.kill()
