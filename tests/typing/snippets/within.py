"""Types of `within=`: what each face takes, and what is an error; nothing here is ever run."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from mainstem import Event, Int32, event_type
from mainstem.postgres import AsyncPostgresEventStore, PostgresEventStore
from mainstem.testing import InMemoryEventStore


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShipped:
    """A payload."""

    count: Int32


EVENT = Event(UUID(int=1), OrderShipped(count=1))


def synchronous(
    store: PostgresEventStore,
    connection: psycopg.Connection[Any],
    session: Session,
    core: Connection,
) -> None:
    """What a synchronous store saves within."""
    store.save("order_events", EVENT, within=connection)
    store.save("order_events", EVENT, within=session)
    store.save("order_events", EVENT, within=core)
    store.save("order_events", EVENT, within="default")
    store.save_many("order_events", [EVENT], within=session)
    store.load("order_events", EVENT.key, lambda state, _: state, 0, within=session)


def synchronous_errors(
    store: PostgresEventStore,
    connection: psycopg.AsyncConnection[Any],
    pooled: asyncpg.Connection[Any],
    session: AsyncSession,
    engine: Engine,
) -> None:
    """What a synchronous store cannot save within."""
    store.save("order_events", EVENT, within=connection)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, within=pooled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, within=session)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, within=engine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, within=sqlite3.connect(""))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save_many("order_events", [EVENT], within=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def asynchronous(
    store: AsyncPostgresEventStore,
    connection: psycopg.AsyncConnection[Any],
    plain: asyncpg.Connection[Any],
    session: AsyncSession,
    core: AsyncConnection,
) -> None:
    """What an asynchronous store saves within."""
    await store.save("order_events", EVENT, within=connection)
    await store.save("order_events", EVENT, within=plain)
    await store.save("order_events", EVENT, within=session)
    await store.save("order_events", EVENT, within=core)
    await store.save_many("order_events", [EVENT], within=session)


async def asynchronous_errors(
    store: AsyncPostgresEventStore,
    connection: psycopg.Connection[Any],
    session: Session,
    pool: asyncpg.Pool[Any],
) -> None:
    """What an asynchronous store cannot save within."""
    await store.save("order_events", EVENT, within=connection)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.save("order_events", EVENT, within=session)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.save("order_events", EVENT, within=pool)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await store.save("order_events", EVENT, within="default")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def in_memory(store: InMemoryEventStore, connection: psycopg.Connection[Any]) -> None:
    """A store in memory saves within its own transactions."""
    with store.transaction() as transaction:
        store.save("order_events", EVENT, within=transaction)
    store.save("order_events", EVENT, within=connection)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
