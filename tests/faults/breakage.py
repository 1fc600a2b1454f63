"""Conditions of the promise, and how somebody breaks each of them behind the replicator's back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from mainstem.errors import ServerUnavailable
from mainstem.kafka.compacted import read_last
from mainstem.kafka.producer import TurnProducer
from mainstem.kafka.topics import Topics
from mainstem.replicator.progress import Progress
from mainstem.replicator.settings import PROGRESS_TOPIC, ReplicatorSettings
from tests.faults.field import Field, insert

ROWS = 25


def settings_of(field: Field, line: str | None = None) -> ReplicatorSettings:
    """The field's line, with a short patience."""
    return ReplicatorSettings(
        database_url=field.database_url,
        kafka=field.kafka,
        line=line or field.line,
        unavailable_max_s=15,
    )


def ends(field: Field) -> dict[int, int]:
    """Where the topic ends, whatever is committed of it."""
    topics = Topics(field.kafka)
    fact = topics.describe([field.topic])[field.topic]
    return topics.ends(field.topic, fact.partitions)


def slot_of(field: Field) -> str:
    """The name of the line's slot."""
    return settings_of(field).slot


def advance_slot(field: Field) -> None:
    """Somebody moves the slot past events that are not in Kafka."""
    field.write([ROWS])
    field.sql(
        lambda c: c.execute(
            "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", (slot_of(field),)
        )
    )


def drop_slot(field: Field) -> None:
    """Somebody drops the slot."""
    field.sql(lambda c: c.execute("SELECT pg_drop_replication_slot(%s)", (slot_of(field),)))


def replace_slot(field: Field) -> None:
    """Somebody drops the slot and creates one of the same name; events lie in between."""
    drop_slot(field)
    field.write([ROWS])
    field.sql(
        lambda c: c.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot_of(field),)
        )
    )


def foreign_slot(field: Field) -> None:
    """The slot is of another database: here, one that has another plugin is not to be had."""
    drop_slot(field)
    field.sql(
        lambda c: c.execute("SELECT pg_create_physical_replication_slot(%s)", (slot_of(field),))
    )


def drop_publication(field: Field) -> None:
    """Somebody drops the publication."""
    field.sql(lambda c: c.execute("DROP PUBLICATION mainstem"))


def replace_publication(field: Field) -> None:
    """Somebody drops the publication and creates it again: changes in between are lost."""
    drop_publication(field)
    field.sql(
        lambda c: c.execute(
            f'CREATE PUBLICATION mainstem FOR TABLE events."{field.topic}"'
            " WITH (publish = 'insert', publish_via_partition_root)"
        )
    )


def publish_deletes(field: Field) -> None:
    """Somebody lets the publication send more than inserts."""
    field.sql(lambda c: c.execute("ALTER PUBLICATION mainstem SET (publish = 'insert, delete')"))


def filter_rows(field: Field) -> None:
    """Somebody lets the publication send some rows only."""
    field.sql(
        lambda c: c.execute(
            f'ALTER PUBLICATION mainstem SET TABLE events."{field.topic}" WHERE (id > 10)'
        )
    )


def unpublish(field: Field) -> None:
    """Somebody takes the table out of the publication."""
    field.sql(lambda c: c.execute(f'ALTER PUBLICATION mainstem DROP TABLE events."{field.topic}"'))


def unpublish_and_put_back(field: Field) -> None:
    """Somebody takes the table out, events are written, and it is put back."""
    unpublish(field)
    field.write([ROWS])
    field.sql(lambda c: c.execute(f'ALTER PUBLICATION mainstem ADD TABLE events."{field.topic}"'))


def silence_and_restore(field: Field) -> None:
    """Somebody lets the publication send nothing, events are written, and it is restored."""
    field.sql(lambda c: c.execute("ALTER PUBLICATION mainstem SET (publish = '')"))
    field.write([ROWS])
    field.sql(lambda c: c.execute("ALTER PUBLICATION mainstem SET (publish = 'insert')"))


def rename_and_back(field: Field) -> None:
    """Somebody renames the table, events are written, and its name is given back."""
    other = f"was_{field.topic}"
    field.sql(lambda c: c.execute(f'ALTER TABLE events."{field.topic}" RENAME TO "{other}"'))
    field.sql(lambda c: insert(c, other, ROWS))
    field.sql(lambda c: c.execute(f'ALTER TABLE events."{other}" RENAME TO "{field.topic}"'))


def unlogged_partition(field: Field) -> None:
    """A partitioned table whose partition PostgreSQL does not publish."""
    field.sql(
        lambda c: c.execute(
            "CREATE TABLE events.split_events (id bigserial PRIMARY KEY, key uuid NOT NULL,"
            " data bytea NOT NULL, timestamp timestamptz NOT NULL) PARTITION BY RANGE (id)"
        )
    )
    field.sql(
        lambda c: c.execute(
            "CREATE UNLOGGED TABLE events.split_1 PARTITION OF events.split_events DEFAULT"
        )
    )


def finite_retention(field: Field) -> None:
    """Somebody lets Kafka delete events after a week."""
    alter_topic(field, "retention.ms", "604800000")


def replace_table(field: Field) -> None:
    """Somebody drops the table and creates one of the same name in the publication."""

    def replace(connection: psycopg.Connection[Any]) -> None:
        connection.execute(f'DROP TABLE events."{field.topic}"')
        connection.execute(
            f'CREATE TABLE events."{field.topic}" (id bigserial PRIMARY KEY, key uuid NOT NULL,'
            " data bytea NOT NULL, metadata bytea, timestamp timestamptz NOT NULL)"
        )
        connection.execute(f'ALTER PUBLICATION mainstem ADD TABLE events."{field.topic}"')

    field.sql(replace)


def unlogged_table(field: Field) -> None:
    """A table whose changes PostgreSQL does not publish."""
    field.sql(
        lambda c: c.execute(
            "CREATE UNLOGGED TABLE events.fast_events (id bigserial PRIMARY KEY, key uuid NOT NULL,"
            " data bytea NOT NULL, timestamp timestamptz NOT NULL)"
        )
    )


def late_table(field: Field) -> None:
    """A table that appears with rows from before it joined."""

    def create(connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            "CREATE TABLE events.late_events (id bigserial PRIMARY KEY, key uuid NOT NULL,"
            " data bytea NOT NULL, timestamp timestamptz NOT NULL)"
        )
        insert(connection, "late_events", 3)

    field.sql(create)


def odd_table(field: Field) -> None:
    """A table that cannot hold events."""
    field.sql(lambda c: c.execute("CREATE TABLE events.odd_events (id bigserial, text text)"))


def recreate_topic(field: Field) -> None:
    """Somebody deletes the Kafka topic; it comes back empty."""
    admin = AdminClient(field.kafka.config())
    admin.delete_topics([field.topic])[field.topic].result(30)
    topics = Topics(field.kafka)
    for _ in range(200):
        if field.topic not in topics.describe([field.topic]):
            break
    topics.create(field.topic, {})


def add_partitions(field: Field) -> None:
    """Somebody adds partitions: keys would move."""
    admin = AdminClient(field.kafka.config())
    admin.create_partitions([NewPartitions(field.topic, 7)])[field.topic].result(30)
    # The new partitions have no leader for a moment.
    for _ in range(100):
        with suppress(ServerUnavailable):
            ends(field)
            return


def compact_topic(field: Field) -> None:
    """Somebody lets Kafka delete events by key."""
    alter_topic(field, "cleanup.policy", "compact")


def alter_topic(field: Field, name: str, value: str) -> None:
    """Change a setting of the topic."""
    admin = AdminClient(field.kafka.config())
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, field.topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def rewrite_progress(field: Field, change: Callable[[Progress], bytes]) -> None:
    """Somebody else writes the line's progress."""
    key = field.line.encode()
    last = read_last(field.kafka, PROGRESS_TOPIC, key, lambda: False)
    assert last is not None
    producer = TurnProducer(field.kafka, [f"test-{field.line}"], transaction_timeout_s=10)
    producer.fence(lambda: False)
    producer.begin()
    producer.add(PROGRESS_TOPIC, change(Progress.decode(last)), key)
    producer.commit(lambda: False)


def foreign_progress(field: Field) -> None:
    """The progress is of another server."""
    rewrite_progress(field, lambda p: replace(p, system_id=p.system_id + 1).encode())


def future_progress(field: Field) -> None:
    """The server was restored from a backup: its WAL ends before the progress."""
    rewrite_progress(field, lambda p: replace(p, flushed_lsn=1 << 60).encode())


def forked_progress(field: Field) -> None:
    """The progress is of a timeline that this server never was on."""
    rewrite_progress(field, lambda p: replace(p, timeline=9).encode())


def newer_progress(field: Field) -> None:
    """A newer version wrote the progress."""
    rewrite_progress(field, lambda _: b'{"format":99}')
