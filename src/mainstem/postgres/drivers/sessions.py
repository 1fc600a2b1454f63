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
import os
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from mainstem.errors import ConfigurationError
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.loop import drive, drive_async
from mainstem.postgres.drivers.psycopg import (
    AsyncConnection,
    AsyncCursor,
    Cursor,
    SyncConnection,
    async_cursor_of,
    async_performer,
    cursor_of,
    performer,
    scope,
)
from mainstem.postgres.drivers.sqlstates import closed_store
from mainstem.postgres.plan import Plan, Scope, asking
from mainstem.postgres.statements import SET_UP, Statement

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 10
DEAD_PEER_TIMEOUT_MS: Final = 30_000

DEFAULTS: Final = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "tcp_user_timeout": DEAD_PEER_TIMEOUT_MS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "fallback_application_name": "mainstem",
}
"""Bounds on waiting for a peer that is silent; what the address says goes before them."""

PREPARED_MAX: Final = 1000
"""Statements that a connection keeps prepared: a few for each topic."""


class Session:
    """The connection of a PostgresEventStore; threads take turns.

    In a forked process it makes a connection of its own, and leaves its parent's alone.
    """

    def __init__(self, dsn: str) -> None:
        """Keep the address; ConfigurationError if it cannot be one."""
        self._settings = connection_settings(dsn)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """There is no connection yet, in this process."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run one plan on a connection that was healthy when it began."""
        if self._process != os.getpid():
            abandon(self._cursor)
            self._begin()
        with self._lock:
            cursor = self._healthy()
            try:
                plan = make_plan(scope(cursor.connection, own=True))
                result = drive(plan, performer(cursor, ours=True))
                check_ended(cursor.connection)
                return result
            finally:
                if not fit(cursor):
                    cursor.connection.close()

    def ask(self, statement: Statement) -> Any:
        """Run one statement; its answer."""
        return self.run(lambda _scope: asking(statement))

    def close(self) -> None:
        """Close the connection; twice is fine."""
        with self._lock:
            self._closed = True
            if self._cursor is not None and self._process == os.getpid():
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

    @property
    def ready(self) -> bool:
        """Whether there is a connection, as far as is known without asking."""
        return self._cursor is not None and not self._cursor.connection.closed

    async def connect(self) -> None:
        """Have a connection that is healthy now; ServerUnavailable if there can be none."""
        async with self._lock:
            await self._healthy()

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run one plan on a connection that was healthy when it began."""
        async with self._lock:
            cursor = await self._healthy()
            try:
                plan = make_plan(scope(cursor.connection, own=True))
                result = await drive_async(plan, async_performer(cursor, ours=True))
                check_ended(cursor.connection)
                return result
            finally:
                if not fit(cursor):
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
            try:
                found = await (await connection.execute(SET_UP)).fetchone()
            except BaseException:
                await connection.close()
                raise
        prepare_if_direct(connection, found)
        return async_cursor_of(connection)


def connect(dsn: str) -> SyncConnection:
    """A connection of our own, in autocommit mode; ServerUnavailable if the server is away."""
    return connect_with(connection_settings(dsn))


def connect_with(settings: dict[str, Any]) -> SyncConnection:
    """A connection that prepares its statements where it may."""
    with mapped():
        connection = psycopg.Connection.connect(**settings)
        try:
            found = connection.execute(SET_UP).fetchone()
        except BaseException:
            connection.close()
            raise
    prepare_if_direct(connection, found)
    return connection


def prepare_if_direct(connection: SyncConnection | AsyncConnection, found: Any) -> None:
    """Let the connection prepare its statements, unless a pooler stands between."""
    if found is not None and found[0] == connection.pgconn.backend_pid:
        connection.prepare_threshold = 0
        connection.prepared_max = PREPARED_MAX


def abandon(cursor: Cursor | None) -> None:
    """Forget a connection that this process was forked with, without a word to the server.

    Closing it would say goodbye over the parent's socket; so its descriptor is made to lead
    nowhere before.
    """
    if cursor is not None and not cursor.connection.closed:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, cursor.connection.fileno())
        os.close(nowhere)
        cursor.connection.close()


def check_ended(connection: SyncConnection | AsyncConnection) -> None:
    """A plan that left its transaction open has saved nothing, whatever it says."""
    status = connection.pgconn.transaction_status
    assert status in {TransactionStatus.IDLE, TransactionStatus.UNKNOWN}, (
        "a plan ends what it begins"
    )


def fit(cursor: Cursor | AsyncCursor) -> bool:
    """Whether its connection may be used again."""
    return idle(cursor.connection) and not cursor.stale


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
