"""Terms within the transaction of every asynchronous caller: asyncpg binds parameters by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from mainstem.errors import ConcurrencyConflict
from mainstem.postgres import AsyncPostgresEventStore, TopicOptions, create_topic
from mainstem.registry.memory import MemoryRegistry
from mainstem.terms import NO_STREAM, EventQuery
from tests.postgres.payloads import Noted, noted

Caller = Callable[[str], AbstractAsyncContextManager[Any]]


def url(dsn: str, drivername: str) -> URL:
    """The address for SQLAlchemy and asyncpg."""
    parts = conninfo_to_dict(dsn)
    return URL.create(
        drivername,
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        username=str(parts["user"]),
        database=str(parts["dbname"]),
    )


@asynccontextmanager
async def by_psycopg(dsn: str) -> AsyncIterator[Any]:
    """A connection of psycopg's, committed at the end."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        yield connection


@asynccontextmanager
async def by_asyncpg(dsn: str) -> AsyncIterator[Any]:
    """A connection of asyncpg's in a transaction."""
    connection = await asyncpg.connect(url(dsn, "postgresql").render_as_string())
    async with connection.transaction():
        yield connection
    await connection.close()


@asynccontextmanager
async def by_sqlalchemy(dsn: str) -> AsyncIterator[Any]:
    """A session of SQLAlchemy's on asyncpg."""
    engine = create_async_engine(url(dsn, "postgresql+asyncpg"))
    async with AsyncSession(engine) as session, session.begin():
        yield session
    await engine.dispose()


@pytest.mark.parametrize("caller", [by_psycopg, by_asyncpg, by_sqlalchemy])
async def test_terms_hold_within_a_callers_transaction(
    caller: Caller, store_database: str, observer: psycopg.Connection[Any]
) -> None:
    """Aim: versions, ids, decisions and reading, the same everywhere. Method: all in one."""
    topic = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(versioned=True, idempotent=True))
    event_id, key = uuid4(), uuid4()
    async with (
        AsyncPostgresEventStore.open(
            store_database, registry=MemoryRegistry(), types=[Noted]
        ) as store,
        caller(store_database) as within,
    ):
        first = await store.save(
            topic, noted(key=key), within=within, expected_version=NO_STREAM, event_id=event_id
        )
        again = await store.save(topic, noted(key=key), within=within, event_id=event_id)
        decision = await store.query(topic, EventQuery(key=key), within=within)
        second = await store.save(
            topic, noted(key=key), within=within, append_condition=decision.condition
        )
        with pytest.raises(ConcurrencyConflict):
            await store.save(
                topic, noted(key=key), within=within, append_condition=decision.condition
            )
        with pytest.raises(ConcurrencyConflict):
            await store.save_many(
                topic, [noted(key=key), noted(key=key)], within=within, expected_version=1
            )
        read = [event async for event in store.read(topic, key=key, within=within)]
        loaded = await store.load(topic, key, lambda count, _: count + 1, 0, within=within)

    assert (first.version, again.id, second.version) == (1, first.id, 2)
    assert [event.id for event in decision.events] == [first.id]
    assert [event.version for event in read] == [1, 2]
    assert (loaded.state, loaded.version) == (2, 2)
