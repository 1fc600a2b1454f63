"""Protecting tables that are there, and months that belong to the topic's owner."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors

from mainstem.cli.topic import topic as command
from mainstem.errors import UnknownTopic
from mainstem.postgres.drivers.psycopg import run_atomically
from mainstem.postgres.migration.partitions import partitioning
from mainstem.postgres.migration.protecting import protecting
from mainstem.postgres.migration.script import protection_script
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic

Connection = psycopg.Connection[Any]

UNGUARDED = {
    "plain": TopicOptions(append_only=False),
    "partitioned": TopicOptions(append_only=False, partition_by="month"),
}


def protect(*arguments: str) -> str:
    """What `mainstem topic protect` prints."""
    result = CliRunner().invoke(command, ["protect", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def check_protected(connection: Connection, *tables: str) -> None:
    """Each table refuses changes."""
    for table in tables:
        for change in (f"DELETE FROM events.{table}", f"TRUNCATE events.{table}"):
            with pytest.raises(errors.RestrictViolation, match="events are for ever"):
                connection.execute(change)


@pytest.mark.parametrize("kind", UNGUARDED)
def test_a_table_from_before_can_be_protected(
    kind: str, admin: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: adopted tables get the trigger, months too. Method: the command twice, then changes."""
    create_topic(admin, topic, UNGUARDED[kind])
    arguments = [topic, "--json", "--database-url", fresh_database]
    first, second = (json.loads(protect(*arguments))["protected"] for _ in range(2))

    assert topic in first
    assert len(first) == (1 if kind == "plain" else 6)
    assert second == []
    check_protected(admin, *first)


def test_printed_sql_protects_and_may_be_repeated(admin: Connection, topic: str) -> None:
    """Aim: for DBAs, without a database. Method: print it, run it twice as one text."""
    create_topic(admin, topic, UNGUARDED["partitioned"])
    script = protect(topic, "--sql").replace(r"\set ON_ERROR_STOP on", "")
    for _ in range(2):
        admin.execute(script.encode())

    check_protected(admin, topic)
    assert not run_atomically(admin, protecting(topic))
    assert all(not sql.startswith("SELECT") for sql in protection_script(topic))


def test_an_unknown_topic_is_not_protected(fresh_database: str) -> None:
    """Aim: an error of ours. Method: a name without a table."""
    with pytest.raises(UnknownTopic):
        protect("absent_events", "--database-url", fresh_database)


def test_a_month_belongs_to_the_topics_owner(admin: Connection, topic: str) -> None:
    """Aim: whoever runs the timer. Method: a superuser makes months of another role's topic."""
    create_topic(admin, topic, TopicOptions(partition_by="month"))
    admin.execute(f"CREATE ROLE {topic}_o")
    try:
        admin.execute(f"ALTER TABLE events.{topic} OWNER TO {topic}_o")
        made = run_atomically(admin, partitioning(topic, 6))
        owner = admin.execute(
            "SELECT tableowner FROM pg_tables WHERE tablename = %s",
            (f"{topic}_{made[0].text.replace('-', '_')}",),
        ).fetchone()
        admin.execute(f"DROP TABLE events.{topic}")
    finally:
        admin.execute(f"DROP OWNED BY {topic}_o")
        admin.execute(f"DROP ROLE {topic}_o")

    assert len(made) == 3
    assert owner == (f"{topic}_o",)
