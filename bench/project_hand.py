"""The yardstick: Kafka -> a table, exactly once, as a careful programmer writes it by hand.

One loop, one connection: a batch is a transaction with the sums and the offsets, which move by
compare-and-set. Payloads are decoded by fastavro. No rebalance, no metadata, no error handling.
Prints one JSON object: events, seconds (first messages to last commit).
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import fastavro
import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from project_statements import ADD_MANY, ADD_ONE, TABLE

from mainstem.registry.postgres import PostgresRegistry

BATCH = 2_000
FRAME = 5
OFFSETS = """
CREATE TABLE hand_offsets (partition integer PRIMARY KEY, "offset" bigint NOT NULL);
INSERT INTO hand_offsets SELECT n, -1 FROM generate_series(0, 9) n"""
MOVE = """
UPDATE hand_offsets o SET "offset" = m.reached
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[]) AS m (partition, expected, reached)
WHERE o.partition = m.partition AND o."offset" = m.expected"""

Write: TypeAlias = Callable[[psycopg.Connection[Any], list[Any]], None]


def main() -> None:
    """Apply so many events of the topic."""
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--kafka", "--topic", "--events", "--mode"):
        parser.add_argument(name, required=True)
    chosen = parser.parse_args()
    consumer = started(chosen.kafka, chosen.topic)
    with psycopg.connect(chosen.dsn, autocommit=True, prepare_threshold=2) as connection:
        connection.execute("DROP TABLE IF EXISTS revenue, hand_offsets")
        connection.execute(TABLE.encode())
        connection.execute(OFFSETS)
        write = write_each if chosen.mode == "single" else write_many
        seconds = loop(connection, consumer, chosen.dsn, int(chosen.events), write)
        found = connection.execute("SELECT sum(orders)::bigint FROM revenue").fetchone()
    consumer.close()
    print(json.dumps({"events": found and found[0], "seconds": seconds}))


def started(kafka: str, topic: str) -> Consumer:
    """A read_committed consumer at the beginning of the topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "hand",
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    return consumer


def loop(
    connection: psycopg.Connection[Any], consumer: Consumer, dsn: str, events: int, write: Write
) -> float:
    """The loop."""
    registry = PostgresRegistry(dsn)
    schemas: dict[int, Any] = {}
    offsets: dict[Any, Any] = {}
    done, began_s = 0, 0.0
    read = fastavro.schemaless_reader
    while done < events:
        messages = batch(consumer)
        if not messages:
            continue
        began_s = began_s or time.perf_counter()
        orders: list[Any] = []
        reached: dict[Any, Any] = {}
        for message in messages:
            value: Any = message.value()
            schema_id = int.from_bytes(value[1:FRAME], "big")
            schema = schemas.get(schema_id)
            if schema is None:
                text = json.loads(registry.by_id(schema_id))
                schema = schemas[schema_id] = fastavro.parse_schema(text)
            orders.append(read(io.BytesIO(value[FRAME:]), schema, None))
            reached[message.partition()] = message.offset()
        with connection.transaction():
            expected = [offsets.get(partition, -1) for partition in reached]
            moved = connection.execute(MOVE, (list(reached), expected, list(reached.values())))
            if moved.rowcount != len(reached):
                raise SystemExit("somebody else moved the offsets")
            write(connection, orders)
        offsets.update(reached)
        done += len(messages)
    return time.perf_counter() - began_s


def write_many(connection: psycopg.Connection[Any], orders: list[Any]) -> None:
    """Add up, and write once."""
    sums: dict[str, tuple[Decimal, int]] = {}
    for order in orders:
        total, count = sums.get(order["country"], (Decimal(), 0))
        sums[order["country"]] = total + order["total"], count + 1
    totals = [total for total, _ in sums.values()]
    counts = [count for _, count in sums.values()]
    connection.execute(ADD_MANY, (list(sums), totals, counts))


def write_each(connection: psycopg.Connection[Any], orders: list[Any]) -> None:
    """One upsert for each."""
    for order in orders:
        connection.execute(ADD_ONE, (order["country"], order["total"]))


def batch(consumer: Consumer) -> list[Message]:
    """What is there, up to the size of a transaction."""
    messages: list[Message] = []
    while len(messages) < BATCH:
        # poll waits; consume without a wait only takes what has come already.
        first = consumer.poll(0.0 if messages else 0.1)
        if first is None:
            break
        messages += [each for each in (first, *consumer.consume(499, 0)) if each.error() is None]
    return messages


if __name__ == "__main__":
    main()
