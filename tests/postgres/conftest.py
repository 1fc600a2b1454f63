"""A database of their own for the store's tests on each server, and both faces of the store."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.postgres.topics import create_topic
from mainstem.registry.memory import MemoryRegistry
from tests.postgres import debian


async def settled(value: Any) -> Any:
    """The value itself, awaited if it came from the asynchronous face."""
    return await value if inspect.isawaitable(value) else value


class Face(NamedTuple):
    """One face of the store with a connection of the kind that it saves within."""

    store: Any
    connection: Any

    async def save(self, *args: Any, **kwargs: Any) -> Any:
        """Save one event through this face."""
        return await settled(self.store.save(*args, **kwargs))

    async def save_many(self, *args: Any, **kwargs: Any) -> Any:
        """Save several events through this face."""
        return await settled(self.store.save_many(*args, **kwargs))

    async def execute(self, sql: str) -> None:
        """Run SQL on the caller's connection."""
        await settled(self.connection.execute(sql))

    async def commit(self) -> None:
        """Commit on the caller's connection."""
        await settled(self.connection.commit())

    async def rollback(self) -> None:
        """Roll back on the caller's connection."""
        await settled(self.connection.rollback())


SERVERS = ("postgresql-18", "postgresql-15")

BOTH_SERVERS = pytest.mark.parametrize("server", SERVERS, indirect=True)
"""For tests that run on the stack's PostgreSQL and on Debian's; others run on the stack's."""


@pytest.fixture(scope="session")
def postgres15_url() -> Iterator[str]:
    """Address of a PostgreSQL 15 of the tests' own."""
    if not debian.available():
        pytest.skip(f"no PostgreSQL 15 in {debian.BINARIES}: apt-get install postgresql-15")
    # Not pytest's own folder: a server that root starts runs as nobody, who cannot enter there.
    with TemporaryDirectory(prefix="mainstem-pg15-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        with debian.running(home) as address:
            yield address


@pytest.fixture(scope="session")
def store_databases(database_url: str) -> Iterator[dict[str, str]]:
    """By address of a server, the database made there for the store's tests."""
    made: dict[str, str] = {}
    yield made
    # The other server goes with all that it holds.
    if database_url in made:
        name = conninfo_to_dict(made[database_url])["dbname"]
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """Address of the server that the test is for: the stack's, unless it asks for the other."""
    old = getattr(request, "param", SERVERS[0]) == SERVERS[1]
    return str(request.getfixturevalue("postgres15_url" if old else "database_url"))


@pytest.fixture
def store_database(server: str, store_databases: dict[str, str]) -> str:
    """A database for the store's tests, so that no replicator of other tests meets its tables."""
    if server not in store_databases:
        name = f"store_{uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        store_databases[server] = make_conninfo(server, dbname=name)
    return store_databases[server]


@pytest.fixture
def observer(store_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that sees what is committed, and nothing else."""
    with psycopg.connect(store_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def new_topic(observer: psycopg.Connection[Any]) -> str:
    """A topic of the test's own, with UUID keys and no events."""
    name = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, name)
    return name


@pytest.fixture
def sync_store(store_database: str) -> Iterator[PostgresEventStore]:
    """The synchronous face with a registry in memory."""
    with PostgresEventStore.open(store_database, registry=MemoryRegistry()) as store:
        yield store


@pytest.fixture
async def async_store(store_database: str) -> AsyncIterator[AsyncPostgresEventStore]:
    """The asynchronous face with a registry in memory."""
    async with AsyncPostgresEventStore.open(store_database, registry=MemoryRegistry()) as store:
        yield store


@pytest.fixture(params=["sync", "async"])
async def face(
    request: pytest.FixtureRequest,
    store_database: str,
    sync_store: PostgresEventStore,
    async_store: AsyncPostgresEventStore,
) -> AsyncIterator[Face]:
    """Each face in turn: what one promises, the other promises too."""
    if request.param == "sync":
        with psycopg.connect(store_database) as connection:
            yield Face(sync_store, connection)
    else:
        async with await psycopg.AsyncConnection.connect(store_database) as async_connection:
            yield Face(async_store, async_connection)


def count(connection: psycopg.Connection[Any], topic: str) -> int:
    """How many events of the topic this connection sees."""
    row = connection.execute(f"SELECT count(*) FROM events.{topic}").fetchone()
    assert row is not None
    return int(row[0])
