"""Broken conditions at the start: each refused by its name, with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from mainstem.errors import ConfigurationError, Refusal
from mainstem.kafka.compacted import read_last
from mainstem.kafka.producer import TurnProducer
from mainstem.kafka.topics import Topics
from mainstem.refusals import REFUSALS
from mainstem.replicator.progress import Progress
from mainstem.replicator.service import Replicator
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


def refused(field: Field, line: str | None = None) -> str:
    """The name of the refusal with which the next start ends."""
    with pytest.raises(Refusal) as caught:
        Replicator(settings_of(field, line)).run(once=True)
    assert caught.value.name in REFUSALS
    assert caught.value.hint
    return caught.value.name


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


def compact_topic(field: Field) -> None:
    """Somebody lets Kafka delete events by key."""
    admin = AdminClient(field.kafka.config())
    entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
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
    rewrite_progress(
        field,
        lambda p: Progress(
            p.system_id + 1, p.timeline, p.database, p.slot, p.publication_oid, p.flushed_lsn
        ).encode(),
    )


def future_progress(field: Field) -> None:
    """The server was restored from a backup: its WAL ends before the progress."""
    rewrite_progress(
        field,
        lambda p: Progress(
            p.system_id, p.timeline, p.database, p.slot, p.publication_oid, 1 << 60, None, p.topics
        ).encode(),
    )


def forked_progress(field: Field) -> None:
    """The progress is of a timeline that this server never was on."""
    rewrite_progress(
        field,
        lambda p: Progress(
            p.system_id, 9, p.database, p.slot, p.publication_oid, p.flushed_lsn, None, p.topics
        ).encode(),
    )


def newer_progress(field: Field) -> None:
    """A newer version wrote the progress."""
    rewrite_progress(field, lambda _: b'{"format":99}')


BROKEN: dict[Callable[[Field], None], str] = {
    advance_slot: "slot-ahead-of-progress",
    drop_slot: "slot-missing",
    replace_slot: "slot-ahead-of-progress",
    foreign_slot: "slot-foreign",
    drop_publication: "publication-missing",
    replace_publication: "publication-missing",
    publish_deletes: "publication-altered",
    filter_rows: "publication-altered",
    unpublish: "table-not-published",
    replace_table: "table-replaced",
    unlogged_table: "table-unlogged",
    late_table: "table-has-older-rows",
    odd_table: "table-shape",
    recreate_topic: "topic-recreated",
    add_partitions: "topic-partitions-changed",
    compact_topic: "topic-settings",
    foreign_progress: "progress-of-another-server",
    future_progress: "server-behind-progress",
    forked_progress: "timeline-fork",
    newer_progress: "progress-format",
}


@pytest.mark.faults
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda f: f.__name__.replace("_", "-"))
def test_a_broken_condition_is_refused_by_name(
    field: Field, break_it: Callable[[Field], None]
) -> None:
    """A line that ran, something broken behind its back, and a start that refuses."""
    field.write([ROWS])
    Replicator(settings_of(field)).run(once=True)
    break_it(field)
    before = ends(field)

    assert refused(field) == BROKEN[break_it]
    assert ends(field) == before


def ends(field: Field) -> dict[int, int]:
    """Where the topic ends, whatever is committed of it."""
    topics = Topics(field.kafka)
    fact = topics.describe([field.topic])[field.topic]
    return topics.ends(field.topic, fact.partitions)


@pytest.mark.faults
def test_a_slot_that_nobody_explains_is_refused(field: Field) -> None:
    """The slot is there, but Kafka holds no progress of the line."""
    field.sql(lambda c: c.execute("CREATE PUBLICATION mainstem WITH (publish = 'insert')"))
    field.sql(
        lambda c: c.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot_of(field),)
        )
    )

    assert refused(field) == "slot-without-progress"


@pytest.mark.faults
def test_a_topic_that_nobody_explains_is_refused(field: Field) -> None:
    """Another line begins where the topic holds events: each of them would be doubled."""
    field.write([ROWS])
    Replicator(settings_of(field)).run(once=True)
    before = ends(field)

    assert refused(field, line=f"{field.line}x") == "topic-not-empty"
    assert ends(field) == before


@pytest.mark.faults
def test_a_cached_sequence_with_older_rows_is_refused(field: Field) -> None:
    """CACHE > 1 could bring an id from before the fence after it."""
    field.write([ROWS])
    field.sql(lambda c: c.execute(f'ALTER SEQUENCE events."{field.topic}_id_seq" CACHE 20'))

    assert refused(field) == "sequence-cached"


@pytest.mark.faults
def test_what_committed_before_a_bad_row_reaches_kafka(field: Field) -> None:
    """A row that is no event stops the line, behind all that committed before it."""
    Replicator(settings_of(field)).run(once=True)
    field.write([ROWS])
    field.sql(
        lambda c: c.execute(
            f'INSERT INTO events."{field.topic}" (key, data, timestamp)'
            " VALUES (gen_random_uuid(), '', '1960-01-01')"
        )
    )
    field.write([ROWS])

    assert refused(field) == "row-refused"
    assert field.verdict().events == ROWS
    assert refused(field) == "row-refused"
    assert field.verdict().events == ROWS


@pytest.mark.faults
def test_an_event_that_kafka_finds_too_large_is_refused(field: Field) -> None:
    """The broker's limit is found out by the broker; nothing of the transaction is visible."""
    Replicator(settings_of(field)).run(once=True)
    field.sql(
        lambda c: c.execute(
            f'INSERT INTO events."{field.topic}" (key, data, timestamp)'
            " VALUES (gen_random_uuid(), decode(repeat('00', 2000000), 'hex'), now())"
        )
    )

    assert refused(field) == "message-too-large"
    assert field.verdict().events == 0


def test_names_that_are_no_identifiers_are_refused(field: Field) -> None:
    """A line's name becomes part of a slot's name."""
    with pytest.raises(ConfigurationError):
        settings_of(field, line="Main line")
