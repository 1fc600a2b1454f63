"""What is in the table and in the topic, and whether it is the same: each event once, in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from mainstem.event import Position
from mainstem.kafka.records import record_of
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics

WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stands in Kafka."""

    stored_id: int
    key: bytes
    data: bytes
    position: Position
    partition: int


def rows_of(database_url: str, topic: str) -> dict[int, bytes]:
    """Every row of the table: id and data."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(f'SELECT id, data FROM events."{topic}"').fetchall()
    return dict(rows)


def entries_of(
    kafka: KafkaSettings, topic: str, *, isolation: str = "read_committed"
) -> list[Entry]:
    """Every record of the topic up to its end, each partition in its order."""
    topics = Topics(kafka)
    fact = topics.describe([topic]).get(topic)
    if fact is None:
        return []
    ends = topics.ends(topic, fact.partitions)
    consumer = Consumer(
        kafka.config(
            group_id="ledger",
            enable_auto_commit=False,
            isolation_level=isolation,
            auto_offset_reset="error",
        )
    )
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends]
    consumer.assign(places)
    entries = []
    quiet = 0
    while any(p.offset < ends[p.partition] for p in consumer.position(places) if ends[p.partition]):
        messages = consumer.consume(1000, 0.05)
        # Behind an open transaction nothing comes; its end is bounded by the transaction timeout.
        quiet = 0 if messages else quiet + 1
        assert quiet * 0.05 < WAIT_S, "an open transaction hides the end of the topic"
        entries += [entry_of(message) for message in messages if message.error() is None]
    consumer.close()
    return entries


def entry_of(message: object) -> Entry:
    """The entry of a Kafka message."""
    key, value, headers = message.key(), message.value(), message.headers()  # type: ignore[attr-defined]  # confluent_kafka.Message
    record, stored_id, position = record_of(key, value, message.timestamp()[1], headers)  # type: ignore[attr-defined]  # as above
    assert stored_id is not None
    assert position is not None
    return Entry(stored_id, record.key, record.data, position, message.partition())  # type: ignore[attr-defined]  # as above


@dataclass(frozen=True, slots=True)
class Verdict:
    """How table and topic differ."""

    events: int
    lost: list[int]
    doubled: list[int]
    strange: list[int]
    reordered: int

    @property
    def holds(self) -> bool:
        """Whether every event is in Kafka exactly once, in commit order."""
        return not (self.lost or self.doubled or self.strange or self.reordered)


def compared(rows: dict[int, bytes], entries: list[Entry]) -> Verdict:
    """Compare by id and content; order within each partition is by position."""
    counts = Counter(entry.stored_id for entry in entries)
    last: dict[int, Position] = {}
    reordered = 0
    for entry in entries:
        reordered += entry.position <= last.get(entry.partition, Position(-1, -1))
        last[entry.partition] = entry.position
    return Verdict(
        events=len(entries),
        lost=sorted(rows.keys() - counts.keys()),
        doubled=sorted(stored_id for stored_id, count in counts.items() if count > 1),
        strange=sorted(e.stored_id for e in entries if rows.get(e.stored_id) != e.data),
        reordered=reordered,
    )
