"""Partitions by month: made ahead of time, carried by the replicator, refused where they lack."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors

from mainstem.cli.topic import topic as command
from mainstem.errors import ConfigurationError, InvalidName, ValueOutOfRange
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.migration.months import Month, planned
from mainstem.postgres.migration.partitions import existing_months, partitioning
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.table import PARTITIONED, shape_problem
from mainstem.postgres.topics import create_topic, event_topics, inspect_topic
from mainstem.registry.memory import MemoryRegistry
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]

BY_MONTH = TopicOptions(partition_by="month")
NOW = Month.of(datetime.now(UTC))


def insert(connection: Connection, topic: str, month: Month, count: int = 1) -> None:
    """Events of a month."""
    connection.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp)"
        " SELECT gen_random_uuid(), '', %s::timestamptz FROM generate_series(1, %s)",
        (month.start, count),
    )


@pytest.mark.parametrize(
    ("text", "later", "end"),
    [("2026-01", "2026-04", "2026-02-01 00:00:00+00"), ("2025-11", "2026-02", "2025-12-01")],
)
def test_months_count_across_years(text: str, later: str, end: str) -> None:
    """Aim: no arithmetic of days. Method: some months."""
    month = Month.parsed(text)

    assert (month.text, month.later(3).text, month.later(3).later(-3)) == (text, later, month)
    assert month.end.startswith(end)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "0000-01", "26-01", "2026-01-01", "٢٠٢٦-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    """Aim: an error of ours. Method: what people might write."""
    with pytest.raises(ConfigurationError, match="no month"):
        Month.parsed(text)


def test_a_moment_lies_in_a_month_of_utc() -> None:
    """Aim: partitions do not depend on a time zone. Method: an hour before midnight, elsewhere."""
    moment = datetime.fromisoformat("2026-01-01T00:30:00+02:00")

    assert Month.of(moment) == Month(2025, 12)
    assert [month.text for month in planned(Month(2026, 1), 1)] == ["2025-12", "2026-01", "2026-02"]


def test_a_partitioned_topic_is_an_event_table(admin: Connection, topic: str) -> None:
    """Aim: primary key, partitions and triggers in one go. Method: create and inspect."""
    create_topic(admin, topic, TopicOptions(partition_by="month", index_key="key"))
    table = inspect_topic(admin, topic)
    insert(admin, topic, NOW)

    assert (table.kind, table.id_cache, shape_problem(table)) == (PARTITIONED, 1, None)
    assert run(admin, existing_months(topic)) == planned(NOW, 3)
    assert event_topics(admin) == [topic]
    for name in (topic, f"{topic}_{NOW.text.replace('-', '_')}"):
        for change in (f"DELETE FROM events.{name}", f"TRUNCATE events.{name}"):
            with pytest.raises(errors.RestrictViolation):
                admin.execute(change)


def test_missing_partitions_are_made_once(
    admin: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: a timer may run it. Method: the command twice, with months before and ahead."""
    create_topic(admin, topic, BY_MONTH)
    arguments = ["partitions", topic, "--ahead", "5", "--since", NOW.later(-3).text, "--json"]
    arguments += ["--database-url", fresh_database]
    made = [CliRunner().invoke(command, arguments, catch_exceptions=False) for _ in range(2)]
    insert(admin, topic, NOW.later(-3))
    insert(admin, topic, NOW.later(5))

    expected = [NOW.later(count).text for count in (-3, -2, 4, 5)]
    assert [json.loads(result.stdout)["made"] for result in made] == [expected, []]


def test_an_event_beyond_the_partitions_is_refused(
    admin: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: nothing lands in a default partition. Method: save an event of a month too early."""
    create_topic(admin, topic, BY_MONTH)
    early = replace(noted(), timestamp=datetime.now(UTC) - timedelta(days=100))
    with (
        PostgresEventStore.open(fresh_database, registry=MemoryRegistry()) as store,
        pytest.raises(ValueOutOfRange, match=f"events.{topic} has no partition") as caught,
    ):
        store.save(topic, early)

    assert f"mainstem topic partitions {topic}" in caught.value.hint


def test_partitions_keep_no_writer_waiting(
    admin: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: made while events are saved. Method: with a writer's transaction open, at once."""
    create_topic(admin, topic, BY_MONTH)
    with psycopg.connect(fresh_database) as writer:
        insert(writer, topic, NOW)
        with psycopg.connect(fresh_database, autocommit=True) as other:
            other.execute("SET lock_timeout = '2s'")
            made = run_atomically(other, partitioning(topic, 6))
        writer.rollback()

    assert made == [NOW.later(count) for count in (4, 5, 6)]


def test_a_plain_topic_and_a_long_name_have_no_partitions(admin: Connection, topic: str) -> None:
    """Aim: errors of ours. Method: a plain table, a name of 56 letters, and two options at odds."""
    create_topic(admin, topic)
    with pytest.raises(ConfigurationError, match="not partitioned"):
        run_atomically(admin, partitioning(topic, 3))
    with pytest.raises(InvalidName, match="too long"):
        create_topic(admin, "x" * 56, BY_MONTH)
    with pytest.raises(ConfigurationError, match="months ahead"):
        planned(NOW, -1)
    with pytest.raises(ConfigurationError, match="is after"):
        planned(NOW, 1, NOW.later(2))
    with pytest.raises(ConfigurationError, match="both versioned and partitioned"):
        TopicOptions(partition_by="month", versioned=True)
    with pytest.raises(ConfigurationError, match="both idempotent and partitioned"):
        TopicOptions(partition_by="month", idempotent=True)


@pytest.mark.parametrize("first", ["topic", "publication"])
def test_the_replicator_carries_every_partition(
    first: str,
    admin: Connection,
    fresh_database: str,
    topic: str,
    replicate: Callable[[str], int],
) -> None:
    """Aim: partitions made before, while and after. Method: events of each."""
    other = f"x{topic}"
    create_topic(admin, topic if first == "topic" else other, BY_MONTH)
    insert(admin, topic if first == "topic" else other, NOW, 2)
    backfilled = replicate(fresh_database)
    if first == "publication":
        create_topic(admin, topic, BY_MONTH)
    insert(admin, topic, NOW, 3)
    run_atomically(admin, partitioning(topic, 4))
    insert(admin, topic, NOW.later(4), 4)
    insert(admin, topic, NOW.later(1), 5)

    assert (backfilled, replicate(fresh_database)) == (2, 12)
