"""Broken conditions at the start: each refused by its name, with nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mainstem.errors import ConfigurationError, Refusal
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.topics import create_topic
from mainstem.refusals import REFUSALS
from mainstem.replicator.service import Replicator
from tests.faults import breakage
from tests.faults.breakage import ROWS, drop_slot, ends, settings_of, slot_of
from tests.faults.field import Field, insert
from tests.faults.ledger import compared, entries_of, rows_of


def refused(field: Field, line: str | None = None) -> str:
    """The name of the refusal with which the next start ends."""
    with pytest.raises(Refusal) as caught:
        Replicator(settings_of(field, line)).run(once=True)
    assert caught.value.name in REFUSALS
    assert caught.value.hint
    return caught.value.name


BROKEN: dict[Callable[[Field], None], str] = {
    breakage.advance_slot: "slot-ahead-of-progress",
    breakage.drop_slot: "slot-missing",
    breakage.replace_slot: "slot-ahead-of-progress",
    breakage.foreign_slot: "slot-foreign",
    breakage.drop_publication: "publication-missing",
    breakage.replace_publication: "publication-missing",
    breakage.publish_deletes: "publication-altered",
    breakage.filter_rows: "publication-altered",
    breakage.unpublish: "table-not-published",
    breakage.unpublish_and_put_back: "table-not-published",
    breakage.silence_and_restore: "publication-altered",
    breakage.rename_and_back: "table-renamed",
    breakage.unlogged_partition: "partition-unpublished",
    breakage.finite_retention: "topic-settings",
    breakage.replace_table: "table-replaced",
    breakage.unlogged_table: "table-unlogged",
    breakage.late_table: "table-has-older-rows",
    breakage.odd_table: "table-shape",
    breakage.recreate_topic: "topic-recreated",
    breakage.add_partitions: "topic-partitions-changed",
    breakage.compact_topic: "topic-settings",
    breakage.foreign_progress: "progress-of-another-server",
    breakage.future_progress: "server-behind-progress",
    breakage.forked_progress: "timeline-fork",
    breakage.newer_progress: "progress-format",
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
    if break_it is breakage.foreign_slot:
        # A physical slot belongs to no database, so it would stay behind.
        drop_slot(field)


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


@pytest.mark.faults
def test_a_topic_listed_by_hand_stays_on_the_line(field: Field) -> None:
    """Once joined, it is carried on though a later start does not list it."""
    listed = f"log_{field.topic.removesuffix('_events')}"
    field.sql(lambda c: create_topic(c, listed))
    field.sql(lambda c: insert(c, listed, ROWS))
    Replicator(replace(settings_of(field), extra_topics=(listed,))).run(once=True)
    field.sql(lambda c: insert(c, listed, ROWS))
    Replicator(settings_of(field)).run(once=True)
    rows = rows_of(field.database_url, listed)
    verdict = compared(rows, entries_of(field.kafka, listed))

    assert verdict.holds
    assert verdict.events == 2 * ROWS


@pytest.mark.faults
def test_a_dropped_table_stops_nothing(field: Field) -> None:
    """What was in it is in the stream; the other topics go on, at once and at the next start."""
    short_lived = f"brief_{field.topic}"
    Replicator(settings_of(field)).run(once=True)
    field.sql(lambda c: create_topic(c, short_lived))
    field.sql(lambda c: insert(c, short_lived, ROWS))
    field.sql(lambda c: c.execute(f'DROP TABLE events."{short_lived}"'))
    field.write([ROWS])
    Replicator(settings_of(field)).run(once=True)
    field.write([ROWS])
    Replicator(settings_of(field)).run(once=True)

    assert len(entries_of(field.kafka, short_lived)) == ROWS
    assert field.verdict().holds
    assert field.verdict().events == 2 * ROWS


@pytest.mark.parametrize(
    "address",
    [
        "postgres//u:S3CRET@127.0.0.1/db",
        "postgresql://u:S3%CRET@127.0.0.1/db",
        "postgresql://u:S3@CRET@127.0.0.1/db",
        "password=S3 CRET host=127.0.0.1",
    ],
)
def test_an_address_that_cannot_be_read_keeps_its_password(address: str, field: Field) -> None:
    """Libpq's own message would show parts of the password."""
    settings = replace(settings_of(field), database_url=address)
    with pytest.raises(ConfigurationError) as caught:
        Replicator(settings).run(once=True)

    assert "CRET" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None


def test_a_client_setting_that_cannot_be_used_is_named_without_its_value(field: Field) -> None:
    """Librdkafka's own message would show the value, which may be a secret."""
    kafka = KafkaSettings(field.kafka.bootstrap, {"security.protocol": "S3CRET"})
    with pytest.raises(ConfigurationError, match=r"security\.protocol") as caught:
        Replicator(replace(settings_of(field), kafka=kafka)).run(once=True)

    assert "S3CRET" not in caught.value.message
