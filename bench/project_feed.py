"""What bench/project.py projects: events straight in Kafka, as the replicator writes them.

Their bytes are made once, and they come in transactions, so that no replicator is measured.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from confluent_kafka import Producer
from workload import OrderPlaced

from mainstem import Event
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.registry.postgres import PostgresRegistry
from mainstem.wire import Wire, key_bytes

PARTITIONS = 3
KEYS = 5_000
COUNTRIES = 40
PAYLOADS = 2_000
TRANSACTION = 1_000
LSN = 0x10000000


def feed(dsn: str, kafka: str, topic: str, events: int) -> None:
    """Create the topic with so many events, in transactions of a thousand."""
    Topics(KafkaSettings(kafka)).create(topic, EVENT_TOPIC, partitions=PARTITIONS)
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "transactional.id": f"feed-{topic}",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "compression.type": "lz4",
            "log_level": 2,
        }
    )
    producer.init_transactions(30)
    messages = endless(dsn)
    timestamp_ms = time.time_ns() // 1_000_000
    for first in range(0, events, TRANSACTION):
        producer.begin_transaction()
        lsn = f"0/{LSN + first:X}".encode()
        for ordinal in range(min(TRANSACTION, events - first)):
            key, value = next(messages)
            producer.produce(
                topic,
                key=key,
                value=value,
                timestamp=timestamp_ms,
                headers=[
                    ("id", str(first + ordinal + 1).encode()),
                    ("lsn", lsn),
                    ("ordinal", str(ordinal).encode()),
                ],
            )
        producer.commit_transaction(60)


def endless(dsn: str) -> Iterator[tuple[bytes, bytes]]:
    """Keys and framed payloads of some 200 bytes, over and over."""
    dice = random.Random(1)
    keys = [key_bytes(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(KEYS)]
    values = payloads(dsn, dice)
    while True:
        yield dice.choice(keys), dice.choice(values)


def payloads(dsn: str, dice: random.Random) -> list[bytes]:
    """Orders from forty countries, encoded; their schema is registered in the database."""
    registry = PostgresRegistry(dsn)
    wire = Wire(registry, [OrderPlaced])
    orders = (
        OrderPlaced(
            country=f"Country {dice.randrange(COUNTRIES)}",
            total=Decimal(dice.randrange(1, 100_000)).scaleb(-2),
            quantity=dice.randrange(1, 20),
            note="n" * 180,
        )
        for _ in range(PAYLOADS)
    )
    values = [wire.pack(Event(uuid.UUID(int=0), each, datetime.now(UTC))).data for each in orders]
    registry.close()
    return values
