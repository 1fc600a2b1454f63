"""Journals: projections that write each event down as it comes, in every kind of transaction."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from mainstem import StoredEvent
from mainstem.projection.definition import Projection
from mainstem.projection.handlers import on
from tests.projection.running.scene import Returned, Sold

DDL = "CREATE TABLE IF NOT EXISTS journal (place bigserial, id bigint, what text)"
INSERT = "INSERT INTO journal (id, what) VALUES (%s, %s)"
NAMED = sqlalchemy.text("INSERT INTO journal (id, what) VALUES (:id, :what)")


class Poisoned(ValueError):
    """What a handler raises at a bad event."""


def checked(event: StoredEvent[Sold]) -> tuple[int, str]:
    """The row of an event; Poisoned for a bad one."""
    if event.payload.bad:
        raise Poisoned("secret of the payload")
    return event.id, "sold"


class PsycopgJournal(Projection):
    """By plain functions, batch and single."""

    name = "journal"
    tables = ("journal",)
    ddl = DDL

    @on(Sold)
    def sold(self, events: Sequence[StoredEvent[Sold]], tx: psycopg.Connection) -> None:
        """Write a batch down."""
        with tx.cursor() as cursor:
            cursor.executemany(INSERT, [checked(event) for event in events])

    @on(Returned)
    def returned(self, event: StoredEvent[Returned], tx: psycopg.Connection) -> None:
        """Write one down."""
        tx.execute(INSERT, (event.id, "returned"))


class AsyncPsycopgJournal(Projection):
    """By coroutines, batch and single."""

    name = "journal"
    tables = ("journal",)
    ddl = DDL

    @on(Sold)
    async def sold(self, events: Sequence[StoredEvent[Sold]], tx: psycopg.AsyncConnection) -> None:
        """Write a batch down."""
        async with tx.cursor() as cursor:
            await cursor.executemany(INSERT, [checked(event) for event in events])

    @on(Returned)
    async def returned(self, event: StoredEvent[Returned], tx: psycopg.AsyncConnection) -> None:
        """Write one down."""
        await tx.execute(INSERT, (event.id, "returned"))


class AsyncpgJournal(Projection):
    """On asyncpg."""

    name = "journal"
    tables = ("journal",)
    ddl = DDL

    @on(Sold)
    async def sold(self, events: Sequence[StoredEvent[Sold]], tx: asyncpg.Connection) -> None:
        """Write a batch down."""
        rows = [checked(event) for event in events]
        await tx.executemany("INSERT INTO journal (id, what) VALUES ($1, $2)", rows)

    @on(Returned)
    async def returned(self, event: StoredEvent[Returned], tx: asyncpg.Connection) -> None:
        """Write one down."""
        await tx.execute("INSERT INTO journal (id, what) VALUES ($1, 'returned')", event.id)


class SessionJournal(Projection):
    """By a Session of SQLAlchemy."""

    name = "journal"
    tables = ("journal",)
    ddl = DDL

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: Session) -> None:
        """Write one down."""
        id_, what = checked(event)
        tx.execute(NAMED, {"id": id_, "what": what})

    @on(Returned)
    def returned(self, event: StoredEvent[Returned], tx: Session) -> None:
        """Write one down."""
        tx.execute(NAMED, {"id": event.id, "what": "returned"})


class AsyncSessionJournal(Projection):
    """By an AsyncSession of SQLAlchemy."""

    name = "journal"
    tables = ("journal",)
    ddl = DDL

    @on(Sold)
    async def sold(self, event: StoredEvent[Sold], tx: AsyncSession) -> None:
        """Write one down."""
        id_, what = checked(event)
        await tx.execute(NAMED, {"id": id_, "what": what})

    @on(Returned)
    async def returned(self, event: StoredEvent[Returned], tx: AsyncSession) -> None:
        """Write one down."""
        await tx.execute(NAMED, {"id": event.id, "what": "returned"})


KINDS: tuple[type[Projection], ...] = (
    PsycopgJournal,
    AsyncPsycopgJournal,
    AsyncpgJournal,
    SessionJournal,
    AsyncSessionJournal,
)
