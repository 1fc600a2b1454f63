"""psycopg 3 as a driver: run a plan on a connection, in the transaction that is there.

Statements go out through a cursor that we make, so that nothing which a caller set up matters:
neither the row factory and cursor factory of the connection, nor its adapters.
Prepared statements: a caller's connection follows its own `prepare_threshold`, as it does for
the caller's statements; ours prepare unless a pooler stands between (see sessions.py). So
PgBouncer is never surprised.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

from mainstem.errors import MissingExtra
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.statements import Statement

try:
    import psycopg
except ImportError as error:
    raise MissingExtra("psycopg", "the PostgreSQL store") from error

from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from mainstem.postgres.drivers.failures import FOREIGN, mapped, translated
from mainstem.postgres.drivers.loop import drive, drive_async
from mainstem.postgres.drivers.sqlstates import (
    closed_connection,
    failed_transaction,
    no_transaction,
)

T = TypeVar("T")

SyncConnection: TypeAlias = psycopg.Connection[Any]
AsyncConnection: TypeAlias = psycopg.AsyncConnection[Any]

PARAMETER: Final = re.compile(r"\$\d+")
TEXTS_MAX: Final = 1024
"""Texts of statements whose placeholders are remembered: some for each topic."""
ADAPTERS: Final = AdaptersMap(psycopg.adapters)
"""How psycopg converts values by itself."""
STALE_SQLSTATES: Final = frozenset({"0A000", "26000", "42P05"})
"""A cached plan does not fit any more; a prepared statement is not there; or is there already."""
REMEDY: Final = "with connection.transaction(): …"


class Cursor(psycopg.Cursor[tuple[Any, ...]]):
    """A cursor that converts values as psycopg does by itself."""

    stale = False
    """Whether statements that its connection had prepared are of no use any more."""

    @property
    def adapters(self) -> AdaptersMap:
        """Those of psycopg and not those of the connection."""
        return ADAPTERS


class AsyncCursor(psycopg.AsyncCursor[tuple[Any, ...]]):
    """As `Cursor`, for asyncio."""

    stale = False

    @property
    def adapters(self) -> AdaptersMap:
        """Those of psycopg and not those of the connection."""
        return ADAPTERS


class LentConnection:
    """A psycopg.Connection of the caller's."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SyncConnection) -> None:
        """Keep it; `run` checks what state it is in."""
        self._connection = connection

    @property
    def closed(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection.closed

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the caller's transaction; ConnectionMisused if there can be none."""
        check_transaction(self._connection)
        return run(self._connection, make_plan(scope(self._connection, own=False)))


class AsyncLentConnection:
    """A psycopg.AsyncConnection of the caller's."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        """Keep it; `run` checks what state it is in."""
        self._connection = connection

    @property
    def closed(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection.closed

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the caller's transaction; ConnectionMisused if there can be none."""
        check_transaction(self._connection)
        return await run_async(self._connection, make_plan(scope(self._connection, own=False)))


def run(connection: SyncConnection, plan: Plan[T]) -> T:
    """Run the plan; nothing begins, commits or rolls back but what the plan says."""
    with cursor_of(connection) as cursor:
        return drive(plan, performer(cursor))


async def run_async(connection: AsyncConnection, plan: Plan[T]) -> T:
    """As `run`, for asyncio."""
    async with async_cursor_of(connection) as cursor:
        return await drive_async(plan, async_performer(cursor))


def performer(cursor: Cursor, *, ours: bool = False) -> Callable[[Statement], Any]:
    """Carries out statements; on a connection of ours it gets over stale prepared ones."""

    def perform(step: Statement) -> Any:
        try:
            cursor.execute(placeholders(step.sql), step.params, binary=True)
            return cursor.fetchall() if step.answers else []
        except FOREIGN as error:
            if ours and may_retry(cursor, error):
                return perform(step)
            raise translated(error, commits=step.commits) from error

    return perform


def async_performer(
    cursor: AsyncCursor, *, ours: bool = False
) -> Callable[[Statement], Awaitable[Any]]:
    """As `performer`, for asyncio."""

    async def perform(step: Statement) -> Any:
        try:
            await cursor.execute(placeholders(step.sql), step.params, binary=True)
            return await cursor.fetchall() if step.answers else []
        except FOREIGN as error:
            if ours and may_retry(cursor, error):
                return await perform(step)
            raise translated(error, commits=step.commits) from error

    return perform


def may_retry(cursor: Cursor | AsyncCursor, error: Exception) -> bool:
    """Whether a statement failed for being prepared, and may be tried without.

    Its table was altered, or a pooler that came meanwhile changed the server behind it. It is
    tried only outside of a transaction, where a statement that failed has done nothing.
    """
    if cursor.stale or getattr(error, "sqlstate", None) not in STALE_SQLSTATES:
        return False
    cursor.stale = True
    cursor.connection.prepare_threshold = None
    return cursor.connection.pgconn.transaction_status == TransactionStatus.IDLE


def cursor_of(connection: SyncConnection) -> Cursor:
    """A cursor of ours on the connection."""
    return Cursor(connection, row_factory=tuple_row)


def async_cursor_of(connection: AsyncConnection) -> AsyncCursor:
    """A cursor of ours on the connection."""
    return AsyncCursor(connection, row_factory=tuple_row)


def run_atomically(connection: SyncConnection, plan: Plan[T]) -> T:
    """As `run`, in a transaction of its own, or in a savepoint of the one that is open."""
    check_usable(connection)
    with mapped(), connection.transaction():
        return run(connection, plan)


@lru_cache(TEXTS_MAX)
def placeholders(sql: str) -> bytes:
    """`$1, $2` as psycopg's binary placeholders: a seventh of the time for arrays of bytea."""
    return PARAMETER.sub("%b", sql).encode()


def check_transaction(connection: SyncConnection | AsyncConnection) -> None:
    """Raise ConnectionMisused for a connection that cannot be saved within.

    In autocommit mode outside a transaction each statement would commit by itself.
    """
    check_usable(connection)
    if connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        raise no_transaction(REMEDY)


def check_usable(connection: SyncConnection | AsyncConnection) -> None:
    """Raise ConnectionMisused for a connection that is closed or in a failed transaction."""
    if connection.closed:
        raise closed_connection()
    if connection.pgconn.transaction_status == TransactionStatus.INERROR:
        raise failed_transaction()


def scope(connection: SyncConnection | AsyncConnection, *, own: bool) -> Scope:
    """What plans must know of the connection."""
    pgconn = connection.pgconn
    return Scope((pgconn.host, pgconn.port, pgconn.db), own)
