"""Both faces of reading over a session of their own, and rows to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest

from mainstem.event import Event
from mainstem.postgres import naming
from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import Wire
from tests.postgres.conftest import settled
from tests.postgres.payloads import Noted
from tests.postgres.reading.payloads import Counted

CLASSES = (Noted, Counted)
Connection = psycopg.Connection[Any]


class ReadingFace(NamedTuple):
    """One face, with a connection of the kind that it reads within."""

    store: Any
    connection: Any

    async def read(self, *args: Any, **kwargs: Any) -> list[Any]:
        """All that `read` gives."""
        return await gathered(self.store.read(*args, **kwargs))

    async def read_all(self, *args: Any, **kwargs: Any) -> list[Any]:
        """All that `read_all` gives."""
        return await gathered(self.store.read_all(*args, **kwargs))

    async def read_rows(self, *args: Any, **kwargs: Any) -> list[Any]:
        """All that `read_rows` gives."""
        return await gathered(self.store.read_rows(*args, **kwargs))

    async def load(self, *args: Any, **kwargs: Any) -> Any:
        """What `load` gives."""
        return await settled(self.store.load(*args, **kwargs))

    async def next(self, iterator: Any) -> Any:
        """The next of an iterator of this face; None at its end."""
        if isinstance(iterator, AsyncIterator):
            return await anext(iterator, None)
        return next(iterator, None)


async def gathered(iterator: Any) -> list[Any]:
    """The items of an iterator of either kind."""
    if isinstance(iterator, AsyncIterator):
        return [each async for each in iterator]
    return list(iterator)


@pytest.fixture
def registry() -> MemoryRegistry:
    """A registry of the test's own."""
    return MemoryRegistry()


@pytest.fixture
def wire(registry: MemoryRegistry) -> Wire:
    """What the rows are packed by."""
    return Wire(registry)


@pytest.fixture
def reader(store_database: str, registry: MemoryRegistry) -> Iterator[PostgresEventStore]:
    """The synchronous face, which knows the classes of the tests."""
    with PostgresEventStore.open(store_database, registry=registry, types=CLASSES) as store:
        yield store


@pytest.fixture(params=["sync", "async"])
async def reading(
    request: pytest.FixtureRequest, store_database: str, registry: MemoryRegistry
) -> AsyncIterator[ReadingFace]:
    """Each face in turn: what one promises, the other promises too."""
    arguments: dict[str, Any] = {"registry": registry, "types": CLASSES}
    if request.param == "sync":
        with (
            PostgresEventStore.open(store_database, **arguments) as store,
            psycopg.connect(store_database) as connection,
        ):
            yield ReadingFace(store, connection)
    else:
        connect = psycopg.AsyncConnection.connect(store_database)
        async with (
            AsyncPostgresEventStore.open(store_database, **arguments) as async_store,
            await connect as async_connection,
        ):
            yield ReadingFace(async_store, async_connection)


@pytest.fixture
def fill(observer: Connection, wire: Wire) -> Callable[[str, Iterable[Event[Any]]], list[int]]:
    """Writes events as rows and answers their ids."""

    def write(topic: str, events: Iterable[Event[Any]]) -> list[int]:
        sql = (
            f"INSERT INTO {naming.table(topic)} (key, data, metadata, timestamp)"
            " VALUES (%b, %b, %b, %b) RETURNING id"
        )
        with observer.transaction(), observer.pipeline():
            cursors = [
                observer.execute(
                    sql.encode(),
                    (event.key, wire.frame(event), wire.pack_metadata(event), event.timestamp),
                )
                for event in events
            ]
        return [row[0] for cursor in cursors for row in cursor]

    return write


def only(connection: Connection, sql: str, params: Iterable[Any] = ()) -> Any:
    """The one value of a statement that answers one row."""
    row = connection.execute(sql.encode(), tuple(params)).fetchone()
    assert row is not None
    return row[0]


def table_made(connection: Connection, columns: str) -> str:
    """A table of the schema `events` with just these columns beside id and data."""
    name = f"t{uuid4().hex[:12]}_events"
    connection.execute("CREATE SCHEMA IF NOT EXISTS events")
    connection.execute(
        f"CREATE TABLE events.{name} (id bigserial PRIMARY KEY, data bytea, {columns})".encode()
    )
    return name
