"""The bare hand-written loops that bench/save.py measures the store against.

They are what a careful programmer would write: prepared statements, binary parameters, held
connections, nothing checked and nothing encoded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeAlias

import asyncpg
import psycopg
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from workload import Workload, unseen_by_the_collector

from mainstem.postgres.naming import table
from mainstem.postgres.statements import Row

ONE = "INSERT INTO {} (key, data, timestamp) VALUES (%b, %b, %b) RETURNING id"
MANY = """
    INSERT INTO {} (key, data, timestamp)
    SELECT * FROM unnest(%b::uuid[], %b::bytea[], %b::timestamptz[]) RETURNING id"""
PAGE = """
    SELECT id, key, data, metadata, timestamp FROM {} WHERE id > %s ORDER BY id LIMIT 1000"""

Insert: TypeAlias = Callable[[str, Row], Awaitable[Any]]
Lent: TypeAlias = AbstractAsyncContextManager[tuple[Any, Insert]]


class Inserts:
    """One insert per transaction, on so many connections at once."""

    def __init__(self, work: Workload, connections: int) -> None:
        """Connect when entered."""
        self._work = work
        self._count = connections
        self._connections: list[psycopg.AsyncConnection[Any]] = []
        self._one, self._many = (sql.format(work.table).encode() for sql in (ONE, MANY))

    async def __aenter__(self) -> Self:
        """Open the connections."""
        connect = psycopg.AsyncConnection.connect
        self._connections = [
            await connect(self._work.dsn, autocommit=True, prepare_threshold=0)
            for _ in range(self._count)
        ]
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close them."""
        for connection in self._connections:
            await connection.close()

    async def run(self, count: int) -> float:
        """The seconds that so many inserts take."""
        rows = iter(self._work.rows(count))

        async def caller(connection: psycopg.AsyncConnection[Any]) -> None:
            for row in rows:
                await self._insert(connection, row)

        with unseen_by_the_collector():
            started_s = time.perf_counter()
            await asyncio.gather(*map(caller, self._connections))
            return time.perf_counter() - started_s

    async def insert(self, row: Row) -> None:
        """Insert one row."""
        await self._insert(self._connections[0], row)

    async def _insert(self, connection: psycopg.AsyncConnection[Any], row: Row) -> None:
        cursor = await connection.execute(
            self._one, (row.key, row.data, row.timestamp), binary=True
        )
        await cursor.fetchone()

    async def insert_many(self, rows: list[Row]) -> None:
        """Insert all of the rows by one statement."""
        columns = ([row[place] for row in rows] for place in (0, 1, 3))
        cursor = await self._connections[0].execute(self._many, tuple(columns), binary=True)
        await cursor.fetchall()


async def keyset(dsn: str, topic: str, count: int) -> None:
    """Read all rows of the topic, page by page."""
    statement, last, found = PAGE.format(table(topic)).encode(), 0, 0
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(statement, (last,), binary=True)
            page = await cursor.fetchall()
            if not page:
                break
            for row in page:
                last = row[0]
                found += 1
    assert found == count


def lent_connections(dsn: str) -> dict[str, Lent]:
    """For each driver: a connection inside a transaction, and its bare insert."""
    return {
        "psycopg": lent_psycopg(dsn),
        "asyncpg": lent_asyncpg(dsn),
        "sqlalchemy": lent_sqlalchemy(dsn),
    }


@asynccontextmanager
async def lent_psycopg(dsn: str) -> AsyncIterator[tuple[Any, Insert]]:
    """psycopg, rolled back at the end."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:

        async def insert(name: str, row: Row) -> None:
            cursor = await connection.execute(
                ONE.format(name).encode(), (row.key, row.data, row.timestamp)
            )
            await cursor.fetchone()

        yield connection, insert
        await connection.rollback()


@asynccontextmanager
async def lent_asyncpg(dsn: str) -> AsyncIterator[tuple[Any, Insert]]:
    """asyncpg, rolled back at the end."""
    connection = await asyncpg.connect(sqlalchemy_url(dsn, "postgresql").render_as_string())
    transaction = connection.transaction()
    await transaction.start()

    async def insert(name: str, row: Row) -> None:
        await connection.fetchval(
            f"INSERT INTO {name} (key, data, timestamp) VALUES ($1, $2, $3) RETURNING id",
            row.key,
            row.data,
            row.timestamp,
        )

    yield connection, insert
    await transaction.rollback()
    await connection.close()


@asynccontextmanager
async def lent_sqlalchemy(dsn: str) -> AsyncIterator[tuple[Any, Insert]]:
    """An AsyncSession on psycopg, rolled back at the end."""
    engine = create_async_engine(sqlalchemy_url(dsn, "postgresql+psycopg"))
    async with AsyncSession(engine) as session:

        async def insert(name: str, row: Row) -> None:
            statement = sqlalchemy.text(
                f"INSERT INTO {name} (key, data, timestamp)"
                " VALUES (:key, :data, :timestamp) RETURNING id"
            )
            values = {"key": row.key, "data": row.data, "timestamp": row.timestamp}
            (await session.execute(statement, values)).scalar_one()

        yield session, insert
        await session.rollback()
    await engine.dispose()


def sqlalchemy_url(dsn: str, drivername: str) -> sqlalchemy.URL:
    """The address as a URL for this driver."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    return sqlalchemy.URL.create(
        drivername,
        host=str(parts["host"]),
        port=int(str(parts["port"])),
        username=str(parts["user"]),
        database=str(parts["dbname"]),
    )
