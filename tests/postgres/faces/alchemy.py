"""Callers on SQLAlchemy: it begins by itself, with the first thing that is asked of it."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.postgres.conftest import settled
from tests.postgres.faces.callers import Address, Caller

AUTOCOMMIT = {"isolation_level": "AUTOCOMMIT"}


def url(address: Address, driver: str) -> URL:
    """The address as SQLAlchemy wants it."""
    return URL.create(
        f"postgresql+{driver}",
        username=address.user,
        host=address.host,
        port=address.port,
        database=address.database,
    )


def arguments(address: Address, driver: str) -> dict[str, Any]:
    """What the driver is to be told, as SQLAlchemy's manual has it for PgBouncer."""
    if driver == "psycopg":
        return address.for_psycopg
    if not address.pooled:
        return {}
    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4()}__",
    }


class Alchemy(Caller):
    """A caller with an engine; `lent` is its Session or Connection."""

    loops = False
    driver: ClassVar[str] = "psycopg"
    engine: Any
    lent: Any

    async def open(self) -> None:
        """Make the engine and what is lent."""
        create = create_async_engine if self.loops else create_engine
        self.engine = create(
            url(self.address, self.driver),
            poolclass=NullPool,
            connect_args=arguments(self.address, self.driver),
        )
        self.lent = await self.lend()

    async def lend(self) -> Any:
        """What is lent: a Session, unless a class says otherwise."""
        return AsyncSession(self.engine) if self.loops else Session(self.engine)

    async def leave(self) -> None:
        """Invalidate first: a test may have closed what lies below."""
        await settled(self.lent.invalidate())
        await settled(self.lent.close())
        await settled(self.engine.dispose())

    @property
    def within(self) -> Any:
        """The Session or Connection."""
        return self.lent

    async def commit(self) -> None:
        """Commit."""
        await settled(self.lent.commit())

    async def rollback(self) -> None:
        """Roll back."""
        await settled(self.lent.rollback())

    async def scalar(self, sql: str) -> Any:
        """The value."""
        return await settled(self.lent.scalar(text(sql)))

    def nested(self) -> Any:
        """A savepoint of SQLAlchemy's."""
        return self.lent.begin_nested()

    async def autocommit(self) -> None:
        """By SQLAlchemy's isolation level."""
        await settled(self.lent.connection(execution_options=AUTOCOMMIT))

    async def close(self) -> None:
        """Close the driver's connection below, inside the transaction."""
        connection = await settled(self.lent.connection())
        if self.loops:
            connection = connection.sync_connection
        await settled(connection.connection.driver_connection.close())


class AlchemyConnection(Alchemy):
    """sqlalchemy.Connection."""

    async def lend(self) -> Any:
        """A Connection."""
        return await settled(self.engine.connect())

    async def leave(self) -> None:
        """Close it; a test may have done so."""
        if not self.lent.closed:
            await settled(self.lent.invalidate())
            await settled(self.lent.close())
        await settled(self.engine.dispose())

    async def autocommit(self) -> None:
        """By SQLAlchemy's isolation level."""
        await settled(self.lent.execution_options(**AUTOCOMMIT))

    async def close(self) -> None:
        """Close it."""
        await settled(self.lent.close())


class AsyncAlchemy(Alchemy):
    """AsyncSession on psycopg."""

    loops = True


class AsyncAlchemyConnection(AlchemyConnection):
    """AsyncConnection on psycopg."""

    loops = True


class AlchemyAsyncpg(AsyncAlchemy):
    """AsyncSession on asyncpg."""

    driver = "asyncpg"


class AlchemyAsyncpgConnection(AsyncAlchemyConnection):
    """AsyncConnection on asyncpg."""

    driver = "asyncpg"
