"""Topics as tables: what is created, what the catalog tells, what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import ConfigurationError, InvalidName, TopicExists, UnknownTopic
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.table import shape_problem
from mainstem.postgres.topics import create_topic, event_topics, inspect_topic
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]

MESSAGES = """
    SELECT data FROM pg_logical_slot_peek_binary_changes(
        %s, NULL, NULL, 'proto_version', '1', 'publication_names', %s, 'messages', 'true')
"""


def fresh_name() -> str:
    """A topic that no other test uses."""
    return f"t{uuid4().hex[:12]}_events"


@pytest.fixture
def publication(observer: Connection) -> str:
    """A publication of the test's own, without tables."""
    name = f"p{uuid4().hex[:12]}"
    observer.execute(f"CREATE PUBLICATION {name} WITH (publish = 'insert')")
    return name


def published(connection: Connection, publication: str) -> list[str]:
    """The tables that the publication holds."""
    found = connection.execute(
        "SELECT tablename::text FROM pg_publication_tables WHERE pubname = %s", (publication,)
    )
    return [name for (name,) in found]


def test_a_table_has_the_columns_of_the_format(observer: Connection) -> None:
    """Aim: the table exactly as documented. Method: create and inspect."""
    topic = fresh_name()

    joined = create_topic(observer, topic)
    table = inspect_topic(observer, topic)

    assert not joined
    assert [(c.name, c.type_name, c.not_null) for c in table.columns] == [
        ("id", "bigint", True),
        ("key", "uuid", True),
        ("data", "bytea", True),
        ("metadata", "bytea", False),
        ("timestamp", "timestamp with time zone", True),
    ]
    assert (table.kind, table.persistence, table.id_cache) == ("r", "p", 1)
    assert (table.key_type, table.has_metadata) == ("uuid", True)
    assert shape_problem(table) is None


def test_a_new_table_joins_the_publication_in_the_stream(
    observer: Connection, publication: str
) -> None:
    """Aim: the joining protocol. Method: a slot's stream holds the message with the table's oid."""
    topic = fresh_name()
    slot = f"s{uuid4().hex[:12]}"
    observer.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput', true)", (slot,))

    joined = create_topic(observer, topic, publication=publication)
    messages = [data for (data,) in observer.execute(MESSAGES, (slot, publication))]

    assert joined
    assert published(observer, publication) == [topic]
    oid = inspect_topic(observer, topic).oid
    announced = [data for data in messages if data.endswith(f"join {oid} {topic}".encode())]
    assert len(announced) == 1
    assert announced[0][:1] == b"M"


def test_a_publication_of_all_tables_needs_no_adding(observer: Connection) -> None:
    """Aim: ALTER PUBLICATION would fail there. Method: create a topic under such a one."""
    name = f"p{uuid4().hex[:12]}"
    observer.execute(f"CREATE PUBLICATION {name} FOR ALL TABLES")
    topic = fresh_name()
    try:
        assert create_topic(observer, topic, publication=name)
        assert topic in published(observer, name)
    finally:
        observer.execute(f"DROP PUBLICATION {name}")


def test_other_names_stay_out_of_the_publication(observer: Connection, publication: str) -> None:
    """Aim: only `_events` is replicated. Method: create a topic of another name."""
    assert not create_topic(observer, f"t{uuid4().hex[:12]}", publication=publication)
    assert published(observer, publication) == []


def test_creation_belongs_to_the_callers_transaction(
    observer: Connection, store_database: str, publication: str
) -> None:
    """Aim: all or nothing, and no commit of ours. Method: create in a transaction, roll back."""
    topic = fresh_name()
    with psycopg.connect(store_database) as connection:
        connection.execute("SELECT 1")
        create_topic(connection, topic, publication=publication)
        assert inspect_topic(connection, topic).topic == topic
        connection.rollback()

    with pytest.raises(UnknownTopic, match=topic):
        inspect_topic(observer, topic)
    assert published(observer, publication) == []


def test_what_cannot_be_created_is_refused(observer: Connection, new_topic: str) -> None:
    """Aim: an error of ours for each. Method: a topic twice, bad names, a bad type."""
    with pytest.raises(TopicExists, match=new_topic):
        create_topic(observer, new_topic)
    with pytest.raises(InvalidName):
        create_topic(observer, "Order_events")
    with pytest.raises(InvalidName):
        create_topic(observer, fresh_name(), publication='x"; --')
    with pytest.raises(ConfigurationError, match="no type that keys can have"):
        create_topic(observer, fresh_name(), TopicOptions(key_type="uuid); DROP TABLE x; --"))


def test_creators_at_once_take_turns(
    observer: Connection, store_database: str, publication: str
) -> None:
    """Aim: no race over schema and publication. Method: eight threads, the schema removed."""
    observer.execute("DROP SCHEMA IF EXISTS events CASCADE")
    names = [fresh_name() for _ in range(8)]

    def create(name: str) -> bool:
        with psycopg.connect(store_database, autocommit=True) as connection:
            return create_topic(connection, name, publication=publication)

    with ThreadPoolExecutor(8) as threads:
        joined = list(threads.map(create, names))

    assert all(joined)
    assert sorted(published(observer, publication)) == sorted(names)
    assert event_topics(observer) == sorted(names)


CHANGES = ("UPDATE {} SET data = ''", "DELETE FROM {}", "TRUNCATE {}")


def test_events_are_for_ever_unless_told_otherwise(observer: Connection) -> None:
    """Aim: append-only by default. Method: each change, on a table with and one without."""
    kept, free = fresh_name(), fresh_name()
    create_topic(observer, kept)
    create_topic(observer, free, TopicOptions(append_only=False))
    for change in CHANGES:
        with pytest.raises(psycopg.errors.RestrictViolation, match=f"on events.{kept}"):
            observer.execute(change.format(f"events.{kept}"))
        observer.execute(change.format(f"events.{free}"))


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        (TopicOptions(), []),
        (TopicOptions(versioned=True), ["(key, version)"]),
        (TopicOptions(index_key="key"), ["(key)"]),
        (TopicOptions(index_key="key-id", versioned=True), ["(key, id)", "(key, version)"]),
    ],
)
def test_keys_are_indexed_as_asked_for(
    options: TopicOptions, indexes: list[str], observer: Connection
) -> None:
    """Aim: no index that nobody asked for. Method: the catalog's definitions."""
    topic = fresh_name()
    create_topic(observer, topic, options)
    found = observer.execute(
        "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT LIKE '%%pkey'",
        (topic,),
    )

    assert sorted(definition[definition.index("(") :] for (definition,) in found) == indexes


def test_large_payloads_are_refused_by_the_table(observer: Connection) -> None:
    """Aim: a bound that every writer meets. Method: one byte more than allowed."""
    topic = fresh_name()
    create_topic(observer, topic, TopicOptions(data_bytes_max=10))
    insert = f"INSERT INTO events.{topic} (key, data, timestamp) VALUES (%s, %s, now())"
    observer.execute(insert, (uuid4(), b"x" * 10))
    with pytest.raises(psycopg.errors.CheckViolation, match="data_bytes_max"):
        observer.execute(insert, (uuid4(), b"x" * 11))


@pytest.mark.parametrize(
    "options",
    [
        {"index_key": "hash"},
        {"data_bytes_max": 0},
        {"data_bytes_max": 1 << 31},
        {"partition_by": "day"},
        {"partition_by": ""},
    ],
)
def test_options_that_no_table_can_have_are_refused(options: dict[str, Any]) -> None:
    """Aim: an error of ours, before anything is created. Method: some of each."""
    with pytest.raises(ConfigurationError):
        TopicOptions(**options)


def test_a_missing_table_does_not_abort_the_transaction(store_database: str) -> None:
    """Aim: a look-up is harmless. Method: look for nothing, then go on."""
    with psycopg.connect(store_database) as connection:
        with pytest.raises(UnknownTopic):
            inspect_topic(connection, "nowhere_events")
        found = connection.execute("SELECT 1").fetchone()

    assert found == (1,)


IDS = {
    "bigint GENERATED ALWAYS AS IDENTITY (CACHE 7)": 7,
    "bigint DEFAULT nextval('events.{topic}_s')": 9,
    "bigint": None,
}


@pytest.mark.parametrize("definition", IDS)
def test_the_cache_of_the_ids_is_found(definition: str, observer: Connection) -> None:
    """Aim: identity, a sequence by hand, none. Method: tables made by hand."""
    topic = fresh_name()
    observer.execute("CREATE SCHEMA IF NOT EXISTS events")
    observer.execute(f"CREATE SEQUENCE events.{topic}_s CACHE 9")
    observer.execute(
        f"CREATE TABLE events.{topic} (id {definition.format(topic=topic)} PRIMARY KEY,"
        " key uuid NOT NULL, data bytea NOT NULL, timestamp timestamptz NOT NULL)"
    )

    assert inspect_topic(observer, topic).id_cache == IDS[definition]


SHAPES = {
    "DROP COLUMN data": "no column 'data'",
    "ALTER COLUMN key TYPE varchar(50)": "'key' is of type character varying",
    "ALTER COLUMN timestamp TYPE timestamp": "'timestamp' is of type timestamp without",
    "ADD COLUMN tenant text NOT NULL": "'tenant' is NOT NULL without a default",
    "ALTER COLUMN id DROP DEFAULT": "'id' is NOT NULL without a default",
    "ADD COLUMN lsn pg_lsn": None,
}


@pytest.mark.parametrize("change", SHAPES)
def test_a_table_of_another_shape_is_named(
    change: str, observer: Connection, new_topic: str, sync_store: PostgresEventStore
) -> None:
    """Aim: what keeps a table from holding events. Method: change one thing and save."""
    observer.execute(f"ALTER TABLE events.{new_topic} {change}")
    problem = SHAPES[change]
    if problem is None:
        sync_store.save(new_topic, noted())
    else:
        with pytest.raises(ConfigurationError, match=problem):
            sync_store.save(new_topic, noted())


def test_a_view_is_no_event_table(
    observer: Connection, new_topic: str, sync_store: PostgresEventStore
) -> None:
    """Aim: only tables. Method: a view over one."""
    view = fresh_name()
    observer.execute(f"CREATE VIEW events.{view} AS SELECT * FROM events.{new_topic}")

    with pytest.raises(ConfigurationError, match="no table"):
        sync_store.save(view, noted())
