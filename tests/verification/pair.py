"""A table and a topic of one name, filled by hand, so that any difference can be planted."""

from __future__ import annotations

from typing import NamedTuple
from uuid import uuid4

import psycopg

from mainstem.event import Position, from_millis
from mainstem.kafka import KafkaSettings
from mainstem.kafka.topics import create_event_topic
from mainstem.metadata_codec import encode_metadata
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic as create_table
from mainstem.record import Record
from tests.kafka.publisher import Publisher, delete_topic, record

LSN = 0x1A0000
PARTITIONS = 2


class Saved(NamedTuple):
    """A row as it went into the table."""

    id: int
    record: Record


class Pair:
    """Rows are saved and messages published one by one.

    The name does not end in `_events`, so no replicator of other tests takes the table in.
    """

    def __init__(self, database_url: str, kafka: KafkaSettings) -> None:
        """Create both sides, empty."""
        self.topic = f"pair_{uuid4().hex}"
        self.database_url = database_url
        self.kafka = kafka
        self.publisher = Publisher(kafka)
        self._number = 0
        self._lsn = LSN
        self._connection = psycopg.connect(database_url, autocommit=True)
        create_table(self._connection, self.topic, TopicOptions(key_type="text", append_only=False))
        create_event_topic(kafka, self.topic, partitions=PARTITIONS)

    def close(self) -> None:
        """Remove both sides."""
        self.execute("DROP TABLE {}")
        self._connection.close()
        delete_topic(self.kafka, self.topic)

    def execute(self, sql: str, *params: object) -> None:
        """Run SQL in which `{}` stands for the table."""
        self._connection.execute(sql.format(f'events."{self.topic}"').encode(), params)

    def save(self, count: int) -> list[Saved]:
        """Insert rows, all in one statement's transaction each."""
        return [self.insert(record(self._next())) for _ in range(count)]

    def publish(self, saved: list[Saved], *, partition: int = -1) -> None:
        """Publish events as one PostgreSQL transaction and one Kafka transaction."""
        with self.publisher.transaction():
            self.stage(saved, partition=partition)

    def stage(self, saved: list[Saved], *, partition: int = -1, lsn: int | None = None) -> None:
        """Produce events within the Kafka transaction that is open."""
        self._lsn += 0x100
        for ordinal, (row_id, each) in enumerate(saved):
            position = Position(lsn or self._lsn, ordinal)
            self.publisher.publish(self.topic, each, row_id, position, partition=partition)
        self.publisher.flush()

    def wal_lsn(self) -> str:
        """Where the server's WAL ends now."""
        row = self._connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert row is not None
        return str(row[0])

    def _next(self) -> int:
        self._number += 1
        return self._number

    def insert(self, each: Record) -> Saved:
        """Insert one row."""
        row = self._connection.execute(
            f'INSERT INTO events."{self.topic}" (key, data, metadata, timestamp)'
            " VALUES (%s, %s, %s, %s) RETURNING id",
            (
                each.key.decode(),
                each.data,
                encode_metadata(each.metadata),
                from_millis(each.timestamp_ms),
            ),
        ).fetchone()
        assert row is not None
        return Saved(row[0], each)
