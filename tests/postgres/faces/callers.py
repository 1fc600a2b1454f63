"""Callers: how each kind of application begins, commits, rolls back and goes on by itself.

A suite that speaks to a Caller runs over all of them. What differs between drivers is here and in
the files beside; what is the same, which is what users are promised, is in the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

import asyncpg
import psycopg
from psycopg.conninfo import conninfo_to_dict

from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from tests.postgres.conftest import settled
from tests.postgres.payloads import noted


class Address(NamedTuple):
    """A database, as the other drivers want it."""

    dsn: str
    host: str
    port: int
    user: str
    database: str
    pooled: bool = False
    """Whether PgBouncer stands between, so that nothing may be prepared."""

    @classmethod
    def of(cls, dsn: str, *, pooled: bool = False) -> Address:
        """The parts of an address of libpq's."""
        parts = conninfo_to_dict(dsn)
        return cls(
            dsn,
            str(parts["host"]),
            int(str(parts["port"])),
            str(parts["user"]),
            str(parts["dbname"]),
            pooled,
        )

    @property
    def for_asyncpg(self) -> dict[str, Any]:
        """For asyncpg.connect."""
        parts = {"host": self.host, "port": self.port, "user": self.user}
        settings = {"statement_cache_size": 0} if self.pooled else {}
        return {**parts, "database": self.database, **settings}

    @property
    def for_psycopg(self) -> dict[str, Any]:
        """For psycopg.connect, beside the address itself."""
        return {"prepare_threshold": None} if self.pooled else {}


class Stores(NamedTuple):
    """Both faces of one store."""

    sync: PostgresEventStore
    asynchronous: AsyncPostgresEventStore


class Caller:
    """An application that has something to lend; closed by `__aexit__`."""

    loops: ClassVar[bool]
    """Whether it works with the asynchronous face."""

    def __init__(self, stores: Stores, address: Address) -> None:
        """Connect nothing yet."""
        self.store: Any = stores.asynchronous if self.loops else stores.sync
        self.address = address

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing open."""
        await self.leave()

    @property
    def within(self) -> Any:
        """What it lends."""
        raise NotImplementedError

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function where this application would, and await it if need be."""
        return await settled(function(*args, **kwargs))

    async def save(self, *args: Any, **kwargs: Any) -> Any:
        """Save one event within."""
        return await self.call(self.store.save, *args, within=self.within, **kwargs)

    async def save_many(self, *args: Any, **kwargs: Any) -> Any:
        """Save events within."""
        return await self.call(self.store.save_many, *args, within=self.within, **kwargs)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A savepoint, rolled back to if the block ends by an error."""
        context = self.nested()
        await self.call(getattr(context, "__aenter__", None) or context.__enter__)
        leave = getattr(context, "__aexit__", None) or context.__exit__
        try:
            yield
        except Exception as error:
            await self.call(leave, type(error), error, None)
            raise
        await self.call(leave, None, None, None)

    async def save_and_undo(self, topic: str) -> None:
        """Save within a savepoint that an error of its own rolls back."""
        with suppress(LookupError):
            async with self.savepoint():
                await self.save(topic, noted())
                raise LookupError

    async def open(self) -> None:
        """Connect."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Close everything, in whatever state it is."""
        raise NotImplementedError

    async def begin(self) -> None:
        """Begin, where that takes a call."""

    async def commit(self) -> None:
        """Commit."""
        raise NotImplementedError

    async def rollback(self) -> None:
        """Roll back."""
        raise NotImplementedError

    async def scalar(self, sql: str) -> Any:
        """The one value that a statement of its own answers."""
        raise NotImplementedError

    def nested(self) -> Any:
        """The context of a savepoint."""
        raise NotImplementedError

    async def autocommit(self) -> None:
        """Come into a state where each statement commits by itself."""

    async def close(self) -> None:
        """Close the connection that it lends."""
        raise NotImplementedError


class Psycopg(Caller):
    """psycopg.Connection."""

    loops = False
    connect: ClassVar[Any] = psycopg.Connection.connect
    connection: Any

    async def open(self) -> None:
        """Connect."""
        self.connection = await settled(self.connect(self.address.dsn, **self.address.for_psycopg))

    async def leave(self) -> None:
        """Close it."""
        await self.close()

    @property
    def within(self) -> Any:
        """The connection."""
        return self.connection

    async def commit(self) -> None:
        """Commit."""
        await settled(self.connection.commit())

    async def rollback(self) -> None:
        """Roll back."""
        await settled(self.connection.rollback())

    async def scalar(self, sql: str) -> Any:
        """The value."""
        cursor = await settled(self.connection.execute(sql))
        return (await settled(cursor.fetchone()))[0]

    def nested(self) -> Any:
        """A block of psycopg's."""
        return self.connection.transaction()

    async def autocommit(self) -> None:
        """By its switch."""
        await settled(self.connection.set_autocommit(True))  # psycopg's.

    async def close(self) -> None:
        """Close it."""
        await settled(self.connection.close())


class AsyncPsycopg(Psycopg):
    """psycopg.AsyncConnection."""

    loops = True
    connect = psycopg.AsyncConnection.connect


class Asyncpg(Caller):
    """asyncpg.Connection."""

    loops = True
    connection: Any
    transaction: Any = None

    async def open(self) -> None:
        """Connect."""
        self.connection = await asyncpg.connect(**self.address.for_asyncpg)

    async def leave(self) -> None:
        """Close it."""
        await self.close()

    @property
    def within(self) -> Any:
        """The connection."""
        return self.connection

    async def begin(self) -> None:
        """Begin a transaction."""
        self.transaction = self.connection.transaction()
        await self.transaction.start()

    async def commit(self) -> None:
        """Commit."""
        await self.transaction.commit()

    async def rollback(self) -> None:
        """Roll back."""
        await self.transaction.rollback()

    async def scalar(self, sql: str) -> Any:
        """The value."""
        return await self.connection.fetchval(sql)

    def nested(self) -> Any:
        """A transaction inside another is a savepoint."""
        return self.connection.transaction()

    async def close(self) -> None:
        """Close it."""
        await self.connection.close()


class AsyncpgPool(Asyncpg):
    """A connection of asyncpg's pool, which is a proxy."""

    pool: Any

    async def open(self) -> None:
        """Acquire one."""
        self.pool = await asyncpg.create_pool(min_size=1, max_size=1, **self.address.for_asyncpg)
        self.connection = await self.pool.acquire()

    async def leave(self) -> None:
        """Give it back, end the pool."""
        await self.close()
        await self.pool.close()

    async def close(self) -> None:
        """Give it back; twice is fine."""
        await self.pool.release(self.connection)
