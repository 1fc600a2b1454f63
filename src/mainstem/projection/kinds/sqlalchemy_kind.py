"""SQLAlchemy: transactions of a Session or AsyncSession on psycopg, with an engine of our own.

Tables whose schema SQLAlchemy knows go to the projection's schema too: by `schema_translate_map`,
which is what a rebuild works by.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg

from mainstem.errors import ConfigurationError, MissingExtra
from mainstem.postgres.drivers.failures import mapped
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.psycopg_kind import check_status, path

try:
    import sqlalchemy
except ImportError as error:
    raise MissingExtra("sqlalchemy", "a projection on SQLAlchemy") from error

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

DIALECT = "postgresql+psycopg://"


class SessionDesk:
    """Transactions of a sqlalchemy.orm.Session."""

    def __init__(self, address: Address) -> None:
        """Connect when the first one begins."""
        self._engine = sqlalchemy.create_engine(
            DIALECT,
            creator=lambda: connected(address),
            poolclass=NullPool,
            execution_options=translated_to(address),
            hide_parameters=True,
        )
        self._connection: sqlalchemy.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction; ServerUnavailable where there is no connection to be had."""
        if self._connection is None or self.broken():
            self.close()
            self._connection = self._engine.connect()
        with Session(self._connection) as session, session.begin(), kept_open(session):
            yield session
            check_status(driver_of(self._connection))

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection is not None and unfit(self._connection)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()


class AsyncSessionDesk:
    """Transactions of a sqlalchemy.ext.asyncio.AsyncSession."""

    def __init__(self, address: Address) -> None:
        """Connect when the first one begins."""
        self._engine = create_async_engine(
            DIALECT,
            async_creator=lambda: async_connected(address),
            poolclass=NullPool,
            execution_options=translated_to(address),
            hide_parameters=True,
        )
        self._connection: AsyncConnection | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction; ServerUnavailable where there is no connection to be had."""
        if self._connection is None or self.broken():
            await self.close()
            self._connection = await self._engine.connect()
        async with AsyncSession(self._connection) as session, session.begin():
            with kept_open(session.sync_session):
                yield session
                check_status(driver_of(self._connection.sync_connection))

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        if self._connection is None:
            return False
        inner = self._connection.sync_connection
        return inner is None or unfit(inner)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.invalidate()
            await self._connection.close()


def driver_of(connection: sqlalchemy.Connection | None) -> Any:
    """Psycopg's connection below SQLAlchemy's."""
    assert connection is not None, "the connection is started"
    return connection.connection.driver_connection


@contextmanager
def kept_open(session: Session) -> Iterator[None]:
    """ConfigurationError where a handler ends the transaction: its offsets have moved already.

    Committed halfway, the events that are still to be handled would never be.
    """

    def refuse(_session: Session) -> None:
        if not session.in_nested_transaction():
            raise ended_by_handler("commit")

    sqlalchemy.event.listen(session, "before_commit", refuse)
    try:
        yield
        if not session.in_transaction():
            raise ended_by_handler("rollback")
    finally:
        sqlalchemy.event.remove(session, "before_commit", refuse)


def ended_by_handler(what: str) -> ConfigurationError:
    """The error for a handler that calls `commit` or `rollback`."""
    return ConfigurationError(
        f"a handler called {what}() on its session",
        hint="the transaction is the projector's: it commits rows and offsets together",
    )


def connected(address: Address) -> psycopg.Connection[Any]:
    """A connection whose names mean those of the schema."""
    with mapped():
        connection = psycopg.Connection.connect(**address.settings)
        connection.execute(*path(address))
        connection.autocommit = False
    return connection


async def async_connected(address: Address) -> psycopg.AsyncConnection[Any]:
    """As `connected`, for asyncio."""
    with mapped():
        connection = await psycopg.AsyncConnection.connect(**address.settings)
        await connection.execute(*path(address))
        await connection.set_autocommit(False)
    return connection


def translated_to(address: Address) -> dict[str, Any]:
    """Execution options that lead tables without a schema to the projection's."""
    return {"schema_translate_map": {None: address.schema}}


def unfit(connection: sqlalchemy.Connection) -> bool:
    """Whether SQLAlchemy, or psycopg below it, has given the connection up."""
    if connection.closed or connection.invalidated:
        return True
    return bool(connection.connection.driver_connection.closed)  # type: ignore[union-attr]  # It is psycopg's.
