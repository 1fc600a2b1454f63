"""Connections that callers set up in their own way: a save within them works all the same."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from mainstem.errors import ConnectionMisused
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.topics import create_topic
from tests.postgres.conftest import count
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]


def test_row_and_cursor_factories_of_the_caller_do_not_matter(
    sync_store: PostgresEventStore, store_database: str, new_topic: str
) -> None:
    """Aim: our statements through our own cursor. Method: dict rows and client-side binding."""
    with psycopg.connect(
        store_database, row_factory=dict_row, cursor_factory=psycopg.ClientCursor
    ) as connection:
        one = sync_store.save(new_topic, noted(), within=connection)
        many = sync_store.save_many(new_topic, [noted(), noted()], within=connection)

    assert [event.id for event in (one, *many)] == [1, 2, 3]


def test_adapters_of_the_caller_do_not_matter(
    sync_store: PostgresEventStore, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: values are converted as psycopg does. Method: a loader and a dumper that mislead."""
    with psycopg.connect(store_database) as connection:
        connection.adapters.register_loader("int8", psycopg.types.string.TextLoader)
        connection.adapters.register_loader("int8", psycopg.types.string.TextBinaryLoader)
        connection.adapters.register_dumper(bytes, psycopg.types.string.StrDumper)
        one = sync_store.save(new_topic, noted(), within=connection)

    assert one.id == 1
    assert count(observer, new_topic) == 1


def test_pipeline_mode_works(
    sync_store: PostgresEventStore, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: a caller who pipelines. Method: saves between the caller's own statements."""
    with psycopg.connect(store_database) as connection, connection.pipeline():
        connection.execute("SELECT 1")
        sync_store.save(new_topic, noted(), within=connection)
        sync_store.save_many(new_topic, [noted(), noted()], within=connection)

    assert count(observer, new_topic) == 3


def test_statements_that_get_prepared_survive_a_new_table(
    sync_store: PostgresEventStore, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: the caller's prepare_threshold is followed. Method: save often, replace, save."""
    with psycopg.connect(store_database) as connection:
        for _ in range(2):
            for _ in range(8):
                sync_store.save(new_topic, noted(), within=connection)
            connection.commit()
            observer.execute(f"DROP TABLE events.{new_topic}")
            create_topic(observer, new_topic)

        assert sync_store.save(new_topic, noted(), within=connection).id == 1


def test_a_connection_to_another_database_has_tables_of_its_own(
    sync_store: PostgresEventStore, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: what is remembered of tables is not mixed up. Method: one topic in two databases."""
    other = f"store_{uuid4().hex[:12]}"
    observer.execute(f'CREATE DATABASE "{other}"')
    try:
        with psycopg.connect(make_conninfo(store_database, dbname=other)) as connection:
            create_topic(connection, new_topic, TopicOptions(key_type="text"))
            for _ in range(2):
                sync_store.save(new_topic, noted())
                sync_store.save(new_topic, noted(key="text"), within=connection)

            assert count(connection, new_topic) == count(observer, new_topic) == 2
    finally:
        observer.execute(f'DROP DATABASE "{other}" WITH (FORCE)')


def test_a_connection_lost_within_the_callers_transaction_is_named(
    sync_store: PostgresEventStore, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: nothing was saved, and the connection is of no use. Method: end it, save twice."""
    connection = psycopg.connect(store_database)
    sync_store.save(new_topic, noted(), within=connection)
    observer.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
    with pytest.raises(Exception, match="PostgreSQL is away"):
        sync_store.save(new_topic, noted(), within=connection)
    with pytest.raises(ConnectionMisused, match="closed"):
        sync_store.save(new_topic, noted(), within=connection)

    assert count(observer, new_topic) == 0
