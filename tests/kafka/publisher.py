"""Writes events into Kafka transactions as the replicator does, with every way to go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from mainstem.event import Position
from mainstem.kafka import KafkaSettings
from mainstem.kafka.records import lsn_header, message_of
from mainstem.kafka.settings import PARTITIONER
from mainstem.kafka.topics import create_event_topic
from mainstem.record import Record

TIMEOUT_S = 20.0


class Publisher:
    """One transactional producer with an id of its own."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Connect and fence nobody."""
        config = kafka.config(transactional_id=f"test-{uuid4()}", partitioner=PARTITIONER)
        self._producer = Producer({**config})
        self._producer.init_transactions(TIMEOUT_S)

    @contextmanager
    def transaction(self) -> Iterator[Publisher]:
        """What the block publishes is committed at its end."""
        self._producer.begin_transaction()
        yield self
        self._producer.commit_transaction(TIMEOUT_S)

    @contextmanager
    def aborted(self) -> Iterator[Publisher]:
        """What the block publishes reaches the log and is aborted at its end."""
        self._producer.begin_transaction()
        yield self
        self._producer.flush(TIMEOUT_S)
        self._producer.abort_transaction(TIMEOUT_S)

    def begin(self) -> None:
        """Open a transaction that stays open."""
        self._producer.begin_transaction()

    def commit(self) -> None:
        """Commit it."""
        self._producer.commit_transaction(TIMEOUT_S)

    def publish(
        self,
        topic: str,
        record: Record,
        row_id: int,
        position: Position,
        *,
        partition: int = -1,
    ) -> None:
        """Produce an event with the replicator's headers."""
        message = message_of(record, row_id, lsn_header(position.lsn), position.ordinal)
        self.publish_raw(topic, message, partition=partition)

    def publish_raw(
        self,
        topic: str,
        message: tuple[bytes | None, bytes | None, int, Iterable[tuple[str, bytes]]],
        *,
        partition: int = -1,
    ) -> None:
        """Produce any message."""
        key, value, timestamp_ms, headers = message
        self._producer.produce(
            topic,
            value,
            key,
            partition,
            timestamp=timestamp_ms,
            headers=[(name, entry) for name, entry in headers],
        )

    def flush(self) -> None:
        """See to it that what was produced is in the log, committed or not."""
        self._producer.flush(TIMEOUT_S)


@contextmanager
def created(kafka: KafkaSettings, topic: str, partitions: int = 2) -> Iterator[str]:
    """The topic exists, empty, for the block."""
    create_event_topic(kafka, topic, partitions=partitions)
    yield topic
    delete_topic(kafka, topic)


def delete_topic(kafka: KafkaSettings, topic: str) -> None:
    """Delete the topic, if it is there."""
    admin = AdminClient({**kafka.config()})
    try:
        admin.delete_topics([topic], operation_timeout=TIMEOUT_S)[topic].result()
    except KafkaException:
        return


def record(number: int, *, key: bytes | None = None, data: bytes | None = None) -> Record:
    """An event on the wire, different for each number."""
    metadata = {"trace": b"t%d" % number} if number % 3 == 0 else {}
    return Record(
        b"key-%d" % (number % 7) if key is None else key,
        b"\x00\x00\x00\x00\x01payload-%d" % number if data is None else data,
        metadata,
        1_700_000_000_000 + number,
    )
