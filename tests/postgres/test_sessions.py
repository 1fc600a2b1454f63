"""Stand-alone saves: many at once, over connections that break."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from mainstem.errors import ConfigurationError, ServerUnavailable
from mainstem.postgres.drivers.sessions import connection_settings
from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.registry.memory import MemoryRegistry
from tests.postgres.conftest import Face, count
from tests.postgres.payloads import Noted, noted

Connection = psycopg.Connection[Any]

DIE = """
    CREATE FUNCTION events.die_{topic}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_terminate_backend(pg_backend_pid());
        RETURN NULL;
    END $$;
    CREATE TRIGGER die AFTER INSERT ON events.{topic}
    FOR EACH STATEMENT EXECUTE FUNCTION events.die_{topic}();
"""


def break_connection(store: Any, observer: Connection) -> None:
    """End the store's own connection on the server, and wait until it is gone."""
    writer = store._writer
    sessions = [lane.session for lane in getattr(writer, "_lanes", [])] or [writer._session]
    for session in sessions:
        if session._cursor is not None:
            pid = session._cursor.connection.info.backend_pid
            observer.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_threads_share_a_store(
    sync_store: PostgresEventStore, new_topic: str, observer: Connection
) -> None:
    """Aim: saves from eight threads, each with its own id. Method: 200 saves at once."""
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(lambda n: sync_store.save(new_topic, noted(n)), range(200)))

    assert len({event.id for event in stored}) == count(observer, new_topic) == 200
    assert [event.payload.count for event in stored] == list(range(200))


async def test_tasks_share_a_store(
    async_store: AsyncPostgresEventStore, new_topic: str, observer: Connection
) -> None:
    """Aim: saves from many tasks, each with its own id. Method: 200 saves at once."""
    stored = await asyncio.gather(*(async_store.save(new_topic, noted(n)) for n in range(200)))

    assert len({event.id for event in stored}) == count(observer, new_topic) == 200
    assert [event.payload.count for event in stored] == list(range(200))


async def test_a_cancelled_save_leaves_the_store_usable(
    async_store: AsyncPostgresEventStore, new_topic: str, observer: Connection
) -> None:
    """Aim: cancellation while PostgreSQL works. Method: let a lock hold the save, cancel it."""
    await async_store.save(new_topic, noted())
    with observer.transaction():
        observer.execute(f"LOCK TABLE events.{new_topic} IN SHARE MODE")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(async_store.save_many(new_topic, [noted()] * 1500), 0.2)
    await async_store.save(new_topic, noted())

    assert count(observer, new_topic) == 2


async def test_a_connection_lost_while_idle_is_replaced(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: a lost connection is noticed before sending. Method: end it, save again."""
    await face.save(new_topic, noted())
    for _ in range(3):
        break_connection(face.store, observer)
        await face.save(new_topic, noted())

    assert count(observer, new_topic) == 4


async def test_a_connection_lost_in_the_commit_leaves_the_outcome_open(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: an honest error, and the next save works. Method: a trigger ends the backend."""
    observer.execute(DIE.format(topic=new_topic))
    with pytest.raises(ServerUnavailable, match="outcome is unknown"):
        await face.save(new_topic, noted())
    with pytest.raises(ServerUnavailable, match="PostgreSQL is away"):
        await face.save_many(new_topic, [noted()] * 1500)
    observer.execute(f"DROP TRIGGER die ON events.{new_topic}")
    await face.save(new_topic, noted())

    assert count(observer, new_topic) == 1


async def test_a_failing_later_chunk_takes_the_earlier_ones_back(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: all or none over several statements. Method: a constraint that the last one breaks."""
    observer.execute(f"ALTER TABLE events.{new_topic} ADD CHECK (metadata IS NULL)")
    with pytest.raises(Exception, match="CheckViolation"):
        await face.save_many(new_topic, [*(noted() for _ in range(2000)), noted(1, a=b"1")])
    await face.save(new_topic, noted())

    assert count(observer, new_topic) == 1


def test_a_server_that_is_away_is_named_without_the_password() -> None:
    """Aim: ServerUnavailable, at the first save. Method: a port where nothing listens."""
    dsn = "postgresql://someone:hidden@127.0.0.1:1/nowhere"
    with (
        PostgresEventStore.open(dsn, registry=MemoryRegistry()) as store,
        pytest.raises(ServerUnavailable) as caught,
    ):
        store.save("order_events", noted())

    assert "127.0.0.1" in caught.value.message
    assert "hidden" not in caught.value.message


def test_an_address_that_is_none_is_refused_without_quoting_it() -> None:
    """Aim: no piece of a password in an error. Method: a DSN that libpq cannot read."""
    with pytest.raises(ConfigurationError) as caught:
        PostgresEventStore.open("postgresql://u:pass word@[/x", registry=MemoryRegistry())

    assert "word" not in caught.value.message
    assert caught.value.__cause__ is None


def test_the_address_goes_before_our_defaults() -> None:
    """Aim: bounds that a user can change. Method: set one in the address."""
    settings = connection_settings("postgresql://h/d?connect_timeout=3")

    assert settings["connect_timeout"] == "3"
    assert settings["prepare_threshold"] is None


def test_schemas_stand_in_the_same_database_by_default(
    store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: no other server is needed. Method: save with the default registry."""
    with PostgresEventStore.open(store_database, types=[Noted]) as store:
        store.save(new_topic, noted())
        store.save(new_topic, noted())

    assert count(observer, new_topic) == 2
