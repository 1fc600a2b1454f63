"""Sessions: a connection of our own for stand-alone saves, one plan at a time, kept healthy.

It is opened when first needed and in autocommit mode: what a plan does not begin commits by
itself. A connection that broke while it was idle is replaced before anything is sent; one that
is not idle after a plan is thrown away, which rolls back.

Statements are prepared, which saves some 60 us of 400 each, unless a pooler stands between: the
server behind PgBouncer in transaction mode may be another one for each statement. A pooler is
known by the backend's process id, which it does not pass on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from mainstem.errors import ConfigurationError, ConnectionMisused
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import (
    AsyncConnection,
    AsyncCursor,
    Cursor,
    SyncConnection,
    async_cursor_of,
    cursor_of,
    run_on,
    run_on_async,
    scope,
)
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.statements import BACKEND_PID

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 10
DEAD_PEER_TIMEOUT_MS: Final = 30_000

DEFAULTS: Final = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": DEAD_PEER_TIMEOUT_MS,
    "fallback_application_name": "mainstem",
}
"""Bounds on waiting for a peer that is silent; what the address says goes before them."""


class Session:
    """The connection of a PostgresEventStore; threads take turns."""

    def __init__(self, dsn: str) -> None:
        """Keep the address; ConfigurationError if it cannot be one."""
        self._settings = connection_settings(dsn)
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None
        self._closed = False

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run one plan on a connection that was healthy when it began."""
        with self._lock:
            cursor = self._healthy()
            try:
                return run_on(cursor, make_plan(scope(cursor.connection, own=True)))
            finally:
                if not idle(cursor.connection):
                    cursor.connection.close()

    def close(self) -> None:
        """Close the connection; twice is fine."""
        with self._lock:
            self._closed = True
            if self._cursor is not None:
                self._cursor.connection.close()

    def _healthy(self) -> Cursor:
        if self._closed:
            raise closed_store()
        if self._cursor is None or not alive(self._cursor.connection):
            if self._cursor is not None:
                self._cursor.connection.close()
            self._cursor = cursor_of(connect_with(self._settings))
        return self._cursor


class AsyncSession:
    """The connection of an AsyncPostgresEventStore; tasks take turns."""

    def __init__(self, dsn: str) -> None:
        """Keep the address; ConfigurationError if it cannot be one."""
        self._settings = connection_settings(dsn)
        self._lock = asyncio.Lock()
        self._cursor: AsyncCursor | None = None
        self._closed = False

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run one plan on a connection that was healthy when it began."""
        async with self._lock:
            cursor = await self._healthy()
            try:
                return await run_on_async(cursor, make_plan(scope(cursor.connection, own=True)))
            finally:
                if not idle(cursor.connection):
                    await cursor.connection.close()

    async def close(self) -> None:
        """Close the connection; twice is fine."""
        async with self._lock:
            self._closed = True
            if self._cursor is not None:
                await self._cursor.connection.close()

    async def _healthy(self) -> AsyncCursor:
        if self._closed:
            raise closed_store()
        if self._cursor is None or not alive(self._cursor.connection):
            if self._cursor is not None:
                await self._cursor.connection.close()
            self._cursor = await self._connected()
        return self._cursor

    async def _connected(self) -> AsyncCursor:
        with mapped():
            connection = await psycopg.AsyncConnection.connect(**self._settings)
            found = await (await connection.execute(BACKEND_PID)).fetchone()
        prepare_if_direct(connection, found)
        return async_cursor_of(connection)


def connect(dsn: str) -> SyncConnection:
    """A connection of our own, in autocommit mode; ServerUnavailable if the server is away."""
    return connect_with(connection_settings(dsn))


def connect_with(settings: dict[str, Any]) -> SyncConnection:
    """A connection that prepares its statements where it may."""
    with mapped():
        connection = psycopg.Connection.connect(**settings)
        found = connection.execute(BACKEND_PID).fetchone()
    prepare_if_direct(connection, found)
    return connection


def prepare_if_direct(connection: SyncConnection | AsyncConnection, found: Any) -> None:
    """Let the connection prepare its statements, unless a pooler stands between."""
    if found == (connection.pgconn.backend_pid,):
        connection.prepare_threshold = 0


def connection_settings(dsn: str) -> dict[str, Any]:
    """The address with our bounds as defaults; ConfigurationError if it is no address."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # The driver's message quotes a part of the address, which may be of the password.
        raise ConfigurationError(
            "the database address is not one that PostgreSQL's libpq understands",
            hint="use postgresql://user:password@host:port/database",
        ) from None
    return {**DEFAULTS, **given, "autocommit": True, "prepare_threshold": None}


def idle(connection: SyncConnection | AsyncConnection) -> bool:
    """Whether the connection is open and in no transaction."""
    return connection.pgconn.transaction_status == TransactionStatus.IDLE


def alive(connection: SyncConnection | AsyncConnection) -> bool:
    """Whether an idle connection still stands, as far as this side can know without asking.

    A server that ends a connection sends a last message and closes: reading takes the one,
    reading again meets the other. Without data, both return at once.
    """
    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return False
    return idle(connection)


def closed_store() -> ConnectionMisused:
    """The error for a store that is used after its end."""
    return ConnectionMisused("the store is closed", hint="open a new one")
