"""SQLAlchemy's tables of events: the same as the commands make, and out of autogenerate's sight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from mainstem.contrib.sqlalchemy import KEY_TYPES as COLUMN_TYPES
from mainstem.contrib.sqlalchemy import event_table, include_name, include_object
from mainstem.errors import ConfigurationError, InvalidName
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic

OPTIONS = {
    "plain": TopicOptions(append_only=False),
    "text": TopicOptions(key_type="text"),
    "versioned": TopicOptions(versioned=True, idempotent=True),
    "indexed": TopicOptions(index_key="key-id", data_bytes_max=1000),
    "partitioned": TopicOptions(partition_by="month", index_key="key"),
}

# What PostgreSQL knows of a table, the table's own name left out.
CATALOG = """
SELECT 'column', a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::regclass AND a.attnum > 0
UNION ALL
SELECT 'constraint', conname, contype::text, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = $1::regclass AND contype <> 'n'
UNION ALL
SELECT 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = $1::regclass
UNION ALL
SELECT 'trigger', tgname, '', pg_get_triggerdef(oid)
FROM pg_trigger WHERE tgrelid = $1::regclass
UNION ALL
SELECT 'partition', inhrelid::regclass::text, '', '' FROM pg_inherits WHERE inhparent = $1::regclass
ORDER BY 1, 2
"""


@pytest.fixture
def engine(fresh_database: str) -> Iterator[sa.Engine]:
    """An engine on a database of the test's own."""
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(fresh_database)
    )
    yield engine
    engine.dispose()


@pytest.fixture
def topic() -> str:
    """A topic's name, short enough for a month behind it."""
    return f"t{uuid4().hex[:12]}_events"


def catalog(database: str, topic: str) -> list[tuple[Any, ...]]:
    """What the catalog says, with the topic's name replaced."""
    with psycopg.connect(database) as connection, psycopg.RawCursor(connection) as cursor:
        rows = cursor.execute(CATALOG, (f"events.{topic}",)).fetchall()
    return [tuple(str(value).replace(topic, "TOPIC") for value in row) for row in rows]


@pytest.mark.parametrize("name", OPTIONS)
def test_create_all_makes_what_the_command_makes(
    name: str, fresh_database: str, engine: sa.Engine, topic: str
) -> None:
    """Aim: one definition of a topic. Method: make it both ways, compare the catalog."""
    by_command = f"x{topic[1:]}"
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        create_topic(connection, by_command, OPTIONS[name])

    metadata = sa.MetaData()
    event_table(metadata, topic, options=OPTIONS[name])
    metadata.create_all(engine)

    assert catalog(fresh_database, topic) == catalog(fresh_database, by_command)


def test_a_table_joins_the_publication(fresh_database: str, engine: sa.Engine, topic: str) -> None:
    """Aim: nobody has to remember it. Method: create under a publication."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION mainstem WITH (publish = 'insert')")
        metadata = sa.MetaData()
        event_table(metadata, topic)
        metadata.create_all(engine)
        found = connection.execute("SELECT tablename FROM pg_publication_tables").fetchall()

    assert found == [(topic,)]


@pytest.mark.parametrize("index_key", ["key", "key-id"])
def test_the_index_of_a_long_name_is_called_as_postgresql_calls_it(
    index_key: str, fresh_database: str, engine: sa.Engine
) -> None:
    """Aim: names are cut off alike. Method: the longest name, made both ways."""
    options = TopicOptions(index_key=index_key)
    names = ["a" + "x" * 62, "b" + "x" * 62]
    metadata = sa.MetaData()
    event_table(metadata, names[1], options=options)
    metadata.create_all(engine)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        create_topic(connection, names[0], options)
        found = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'events'"
            " AND indexname NOT LIKE '%pkey' ORDER BY 1"
        ).fetchall()

    (by_command,), (by_table,) = found
    assert by_command[1:] == by_table[1:]


@pytest.mark.parametrize("name", ["plain", "partitioned"])
def test_drop_all_destroys_no_events(
    name: str, fresh_database: str, engine: sa.Engine, topic: str
) -> None:
    """Aim: as every other way to drop. Method: one event there, refused; without, dropped."""
    metadata = sa.MetaData()
    table = event_table(metadata, topic, options=OPTIONS[name])
    metadata.create_all(engine)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO events.{topic} (key, data, timestamp)"
            " VALUES (gen_random_uuid(), '', now())"
        )
        with pytest.raises(ConfigurationError, match=f"events.{topic} holds some"):
            metadata.drop_all(engine)
        with pytest.raises(ConfigurationError, match="for ever"):
            table.drop(engine)
        kept = connection.execute(f"SELECT count(*) FROM events.{topic}").fetchone()
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"DELETE FROM events.{topic}")
    metadata.drop_all(engine)

    assert kept == (1,)
    assert not sa.inspect(engine).has_table(topic, "events")


def test_every_key_type_has_a_column_type() -> None:
    """Aim: no option that only the command knows. Method: compare the two tables."""
    assert COLUMN_TYPES.keys() == KEY_TYPES.keys()


def test_events_can_be_queried(fresh_database: str, engine: sa.Engine, topic: str) -> None:
    """Aim: an ordinary Table. Method: insert by SQL, select by SQLAlchemy."""
    table = event_table(sa.MetaData(), topic, options=TopicOptions(key_type="text"))
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        create_topic(connection, topic, TopicOptions(key_type="text"))
        connection.execute(
            f"INSERT INTO events.{topic} (key, data, timestamp) VALUES ('a', '\\x00', now())"
        )
    with engine.connect() as reading:
        row = reading.execute(sa.select(table)).one()

    assert (row.id, row.key, row.data, row.metadata) == (1, "a", b"\0", None)


def test_the_rule_leaves_out_what_is_ours_and_nothing_else() -> None:
    """Aim: autogenerate neither drops nor adds event tables. Method: ask the rule."""
    metadata = sa.MetaData()
    ours = event_table(metadata, "order_events", options=TopicOptions(index_key="key"))
    theirs = sa.Table("orders", metadata, sa.Column("id", sa.Integer, index=True))
    (our_index,), (their_index,) = ours.indexes, theirs.indexes
    unreflected = (False, None)

    assert not include_object(ours, "order_events", "table", *unreflected)
    assert not include_object(our_index, our_index.name, "index", *unreflected)
    assert include_object(theirs, "orders", "table", *unreflected)
    assert include_object(their_index, their_index.name, "index", *unreflected)
    assert not include_name("events", "schema", {})
    assert include_name(None, "schema", {})
    assert include_name("orders", "table", {"schema_name": None})
    assert not include_name("order_events", "table", {"schema_name": "events"})


def test_a_bad_name_is_refused() -> None:
    """Aim: names become SQL in one place. Method: a name that is none."""
    with pytest.raises(InvalidName):
        event_table(sa.MetaData(), 'x"; --')
