"""SQLAlchemy 2: reach the driver's connection inside its transaction, and run the plan there.

SQLAlchemy must know of the transaction, or it would never commit it: a Session or Connection that
has not begun yet begins as by a statement of the caller's own. On asyncpg SQLAlchemy sends BEGIN
with its first statement only, so there a cheap one goes before ours where none went before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psycopg

from mainstem.errors import ConnectionMisused, MainstemError, MissingExtra, ServerUnavailable
from mainstem.postgres.drivers.failures import translated
from mainstem.postgres.drivers.psycopg import AsyncLentConnection, LentConnection
from mainstem.postgres.drivers.sqlstates import broken_off, failed_transaction
from mainstem.postgres.drivers.statements import CHEAPEST
from mainstem.postgres.plan import Plan, Scope

try:
    import sqlalchemy
except ImportError as error:
    raise MissingExtra("sqlalchemy", "saving within SQLAlchemy's transaction") from error

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

if TYPE_CHECKING:
    from mainstem.postgres.drivers import asyncpg

T = TypeVar("T")

Given: TypeAlias = "Session | scoped_session[Any] | sqlalchemy.Connection"
AsyncGiven: TypeAlias = "AsyncSession | async_scoped_session[Any] | AsyncConnection"


class LentAlchemy:
    """A Session or Connection of the caller's, on psycopg 3."""

    __slots__ = ("_given",)

    def __init__(self, given: Given) -> None:
        """Keep it; `run` finds the connection that it stands for."""
        self._given = given

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in SQLAlchemy's transaction; ConnectionMisused if there can be none."""
        with mapped():
            connection = self._connection()
            check_active(connection)
            if not connection.in_transaction():
                connection.begin()
            raw = connection.connection.driver_connection
        if not isinstance(raw, psycopg.Connection):
            raise wrong_driver(raw, "postgresql+psycopg")
        lent = LentConnection(raw)
        try:
            return lent.run(make_plan)
        except ServerUnavailable as error:
            if lent.closed:
                connection.invalidate(error)
            raise

    def _connection(self) -> sqlalchemy.Connection:
        if isinstance(self._given, (Session, scoped_session)):
            return self._given.connection()
        return self._given


class AsyncLentAlchemy:
    """An AsyncSession or AsyncConnection of the caller's, on psycopg 3 or asyncpg."""

    __slots__ = ("_given",)

    def __init__(self, given: AsyncGiven) -> None:
        """Keep it; `run` finds the connection that it stands for."""
        self._given = given

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in SQLAlchemy's transaction; ConnectionMisused if there can be none."""
        with mapped():
            connection = await self._connection()
            lent, begins = lent_by_driver(await driver_connection(connection))
            if begins:
                await connection.exec_driver_sql(CHEAPEST)
        try:
            return await lent.run(make_plan)
        except ServerUnavailable as error:
            if lent.closed:
                await connection.invalidate(error)
            raise

    async def _connection(self) -> AsyncConnection:
        if isinstance(self._given, (AsyncSession, async_scoped_session)):
            return await self._given.connection()
        return self._given


async def driver_connection(connection: AsyncConnection) -> object:
    """The driver's connection, with SQLAlchemy's transaction begun or as it was."""
    inner = connection.sync_connection
    if inner is None:
        raise ConnectionMisused(
            "the AsyncConnection is not started", hint="use it inside: async with engine.connect()"
        )
    check_active(inner)
    if not inner.in_transaction():
        await connection.begin()
    return inner.connection.driver_connection


def check_active(connection: sqlalchemy.Connection) -> None:
    """Raise ConnectionMisused for a transaction that waits for its rollback."""
    for transaction in (connection.get_transaction(), connection.get_nested_transaction()):
        if transaction is not None and not transaction.is_active:
            raise failed_transaction()


def lent_by_driver(raw: Any) -> tuple[AsyncLentConnection | asyncpg.AsyncLentConnection, bool]:
    """The driver's connection as lent, and whether SQLAlchemy has still to begin on it."""
    if isinstance(raw, psycopg.AsyncConnection):
        return AsyncLentConnection(raw), False
    if type(raw).__module__.partition(".")[0] == "asyncpg":
        from mainstem.postgres.drivers.asyncpg import (  # noqa: PLC0415  # Only if it is in use.
            AsyncLentConnection as AsyncpgLent,
        )

        return AsyncpgLent(raw), not raw.is_in_transaction()
    raise wrong_driver(raw, "postgresql+psycopg or postgresql+asyncpg")


@contextmanager
def mapped() -> Iterator[None]:
    """Raise our own error from what SQLAlchemy raises on the way to the driver's connection."""
    try:
        yield
    except exc.DBAPIError as error:
        raise refused_by_server(error) from error
    except exc.TimeoutError as error:
        raise ServerUnavailable("SQLAlchemy's pool had no connection in time") from error
    except OSError as error:
        raise broken_off(type(error).__name__, commits=False) from error
    except exc.PendingRollbackError as error:
        raise failed_transaction() from error
    except exc.UnboundExecutionError as error:
        raise ConnectionMisused(
            "the Session does not say which engine to use",
            hint="give it one: Session(engine); or use within=session.connection(…)",
        ) from error
    except exc.SQLAlchemyError as error:
        raise ConnectionMisused(
            f"SQLAlchemy refused: {type(error).__name__}",
            hint="the Session or Connection is closed, or its transaction has ended;"
            " the error's cause says more",
        ) from error


def refused_by_server(error: exc.DBAPIError) -> MainstemError:
    """Our error for one of the driver's that SQLAlchemy has wrapped."""
    if isinstance(error.orig, psycopg.Error):
        return translated(error.orig)
    if error.connection_invalidated:
        return broken_off(type(error.orig).__name__, commits=False)
    return ConnectionMisused(f"SQLAlchemy refused: {type(error.orig).__name__}")


def wrong_driver(raw: object, dialect: str) -> ConnectionMisused:
    """The error for a connection of a driver that this store cannot work with."""
    kind = type(raw)
    return ConnectionMisused(
        f"SQLAlchemy works on {kind.__module__.partition('.')[0]} here ({kind.__name__})",
        hint=f"use an engine of {dialect} with this store",
    )
