"""A topic counts versions and event_ids where the whole column is there, not by its name alone."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import ConfigurationError
from mainstem.event import Event
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.table import shape_problem
from mainstem.postgres.topics import create_topic, inspect_topic
from tests.postgres.conftest import BOTH_SERVERS
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]

VERSION, EVENT_ID = "ADD version bigint NOT NULL", "ADD event_id uuid"
INDEX = "CREATE UNIQUE INDEX ON {table}"


def altered(connection: Connection, topic: str, *changes: str) -> None:
    """Change the topic's table: by ALTER TABLE, or by whole statements that name `{table}`."""
    table = f"events.{topic}"
    for change in changes:
        whole = change if "{table}" in change else "ALTER TABLE {table} " + change
        connection.execute(whole.format(table=table))


@BOTH_SERVERS
@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("idempotent", [True, False])
def test_created_topics_are_what_they_were_created_as(
    observer: Connection, *, versioned: bool, idempotent: bool
) -> None:
    """Aim: our own constraints count. Method: each choice is created and inspected."""
    topic = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(versioned=versioned, idempotent=idempotent))
    table = inspect_topic(observer, topic)

    assert (table.versioned, table.idempotent) == (versioned, idempotent)
    assert shape_problem(table) is None


@pytest.mark.parametrize(
    ("changes", "versioned", "idempotent"),
    [
        ([VERSION, "ADD UNIQUE (version, key)"], True, False),
        ([VERSION, f"{INDEX} (key, version) INCLUDE (id)"], True, False),
        ([EVENT_ID, f"{INDEX} (event_id)"], False, True),
        ([VERSION, f"{INDEX} (key, version, id)"], False, False),
        ([VERSION, f"{INDEX} (version) INCLUDE (key)"], False, False),
        ([VERSION, f"{INDEX} (key, version) WHERE version > 0"], False, False),
        ([VERSION, f"{INDEX} (key, abs(version))"], False, False),
        ([VERSION, "ADD UNIQUE (key, version) DEFERRABLE"], False, False),
        ([VERSION, "CREATE INDEX ON {table} (key, version)"], False, False),
        (["ADD version bigint", "ADD UNIQUE (key, version)"], False, False),
        (["ADD version int NOT NULL", "ADD UNIQUE (key, version)"], False, False),
        (["ADD event_id text UNIQUE"], False, False),
        ([EVENT_ID, f"{INDEX} (event_id, key)"], False, False),
        ([EVENT_ID, "ADD UNIQUE (event_id) DEFERRABLE INITIALLY DEFERRED"], False, False),
    ],
)
def test_a_column_counts_with_its_type_and_its_unique_index(
    observer: Connection,
    new_topic: str,
    changes: list[str],
    *,
    versioned: bool,
    idempotent: bool,
) -> None:
    """Aim: only what the statements rely on counts. Method: tables that differ in one thing."""
    altered(observer, new_topic, *changes)
    table = inspect_topic(observer, new_topic)

    assert (table.versioned, table.idempotent) == (versioned, idempotent)
    assert (table.target.versioned, table.target.idempotent) == (versioned, idempotent)


def test_an_invalid_index_guards_nothing(observer: Connection, new_topic: str) -> None:
    """Aim: what PostgreSQL does not trust. Method: a concurrent build fails on a double id."""
    altered(observer, new_topic, EVENT_ID)
    double = uuid4()
    for _ in range(2):
        observer.execute(
            f"INSERT INTO events.{new_topic} (key, data, timestamp, event_id)"
            " VALUES (gen_random_uuid(), '', now(), %s)",
            (double,),
        )
    with pytest.raises(psycopg.errors.UniqueViolation):
        observer.execute(f"CREATE UNIQUE INDEX CONCURRENTLY ON events.{new_topic} (event_id)")

    assert not inspect_topic(observer, new_topic).idempotent


@pytest.mark.parametrize(
    "columns",
    [
        "ADD version text, ADD event_id text",
        "ADD version bigint, ADD event_id uuid",
        "ADD version int NOT NULL DEFAULT 3, ADD event_id bigint NOT NULL DEFAULT 9",
        "ADD version bigint NOT NULL DEFAULT 3, ADD event_id uuid DEFAULT gen_random_uuid()",
    ],
)
def test_a_table_with_such_columns_of_its_own_works_as_a_plain_one(
    observer: Connection, sync_store: PostgresEventStore, new_topic: str, columns: str
) -> None:
    """Aim: tables of before keep working. Method: save and read; terms are refused in words."""
    altered(observer, new_topic, columns)
    key = uuid4()
    saved = [sync_store.save(new_topic, Event(key, noted().payload)) for _ in range(2)]
    saved += sync_store.save_many(new_topic, [Event(key, noted().payload) for _ in range(2)])
    read = list(sync_store.read(new_topic, key=key))
    with pytest.raises(ConfigurationError, match=r"guarded by UNIQUE \(key, version\)"):
        sync_store.save(new_topic, noted(), expected_version=0)
    with pytest.raises(ConfigurationError, match=r"guarded by UNIQUE \(event_id\)"):
        sync_store.save(new_topic, noted(), event_id=uuid4())

    assert [event.id for event in read] == [event.id for event in saved]
    assert {event.version for event in [*read, *saved]} == {None}


@pytest.mark.parametrize("column", ["version bigint", "event_id uuid", "extra int"])
def test_a_required_column_that_is_not_ours_is_a_problem(
    observer: Connection, new_topic: str, column: str
) -> None:
    """Aim: saving would fail. Method: a column NOT NULL, no default, no guard."""
    altered(observer, new_topic, f"ADD {column} NOT NULL")
    name = column.split(maxsplit=1)[0]

    problem = shape_problem(inspect_topic(observer, new_topic))
    assert problem == f"its column {name!r} is NOT NULL without a default"
