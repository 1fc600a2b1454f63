"""A member as the Java original's, by its SQL: offsets without a compare-and-set.

On assignment it reads the offset of each partition from `topic_offsets`, inserts the row with -1
where it is missing, and seeks to the one after. Each event is a transaction of an UPDATE of the
offset, whatever it is, and of the projection. Offsets in Kafka are never touched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import Consumer, TopicPartition

from mainstem.kafka.settings import KafkaSettings
from mainstem.wire import Wire
from tests.faults.projections.tally import NAMED, Added, link_of

TABLE = """
CREATE SCHEMA IF NOT EXISTS events;
CREATE TABLE IF NOT EXISTS events.topic_offsets (
    topic text, "partition" integer, "offset" bigint, PRIMARY KEY (topic, "partition")
)
"""
READ = 'SELECT "offset" FROM events.topic_offsets WHERE topic = %s AND "partition" = %s'
BEGIN = "INSERT INTO events.topic_offsets VALUES (%s, %s, -1)"
UPDATE = 'UPDATE events.topic_offsets SET "offset" = %s WHERE topic = %s AND "partition" = %s'
SESSION_MS = 6000
HEARTBEAT_MS = 300
"""Between two of them a member does not hear that another one came."""
POLL_S = 0.05
DEADLINE_S = 30.0


class Original:
    """One member; for one thread."""

    def __init__(self, dsn: str, kafka: KafkaSettings, to: tuple[str, str], wire: Wire) -> None:
        """Join; `to`: group and topic."""
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._wire = wire
        self.group, self.topic = to
        self.applied = 0
        self.places: set[int] = set()
        # Java's clients offer range and cooperative-sticky; what all members know is the latter.
        self._consumer = Consumer(
            kafka.config(
                group_id=self.group,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                partition_assignment_strategy="cooperative-sticky",
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
            )
        )
        self._consumer.subscribe([self.topic], on_assign=self._assigned, on_revoke=self._revoked)

    def fetch(self) -> list[Any]:
        """Messages that are there, not applied yet."""
        messages = self._consumer.consume(100, POLL_S)
        return [message for message in messages if message.error() is None]

    def apply(self, message: Any) -> None:
        """One event and its offset, in one transaction."""
        with self._connection.transaction():
            self._steps(message)
        self.applied += 1

    def cut_off(self, message: Any) -> None:
        """Lose the connection in the middle of a transaction, and be missed by the group."""
        self._connection.execute("BEGIN")
        self._steps(message)
        self.close()

    def leave(self) -> None:
        """Leave the group without knowing it: what was fetched is still at hand."""
        self._consumer.close()

    def _steps(self, message: Any) -> None:
        payload = self._wire.payload(message.value())
        amount = payload.amount * (1 if isinstance(payload, Added) else -1)
        offset = message.offset()
        self._connection.execute(UPDATE, (offset, message.topic(), message.partition()))
        self._connection.execute(
            NAMED,
            {
                "key": UUID(message.key().decode()),
                "amount": amount,
                "offset": offset,
                "link": link_of(offset, amount),
            },
        )

    def work(self, done: Callable[[], bool]) -> None:
        """Fetch and apply until it is done."""
        end_s = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < end_s, "the original did not come to its end"
            for message in self.fetch():
                if message.partition() in self.places:
                    self.apply(message)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._connection.close()

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        self.places |= {each.partition for each in given}
        consumer.incremental_assign(
            [TopicPartition(each.topic, each.partition, self._start(each)) for each in given]
        )

    def _revoked(self, _consumer: Consumer, taken: list[TopicPartition]) -> None:
        self.places -= {each.partition for each in taken}

    def _start(self, place: TopicPartition) -> int:
        """The next offset of a partition."""
        row = self._connection.execute(READ, (place.topic, place.partition)).fetchone()
        if row is None:
            self._connection.execute(BEGIN, (place.topic, place.partition))
            return 0
        return int(row[0]) + 1


@contextmanager
def working(original: Original) -> Iterator[Original]:
    """The original at work in a thread for the block; then it leaves the group."""
    stop, errors = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            original.work(stop.is_set)
        except BaseException as error:  # noqa: BLE001  # It is raised below.
            errors.append(error)
        finally:
            original.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield original
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    if errors:
        raise errors[0]
