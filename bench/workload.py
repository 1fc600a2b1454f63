"""What bench/save.py saves: events of some 200 bytes, the same as rows, and where they go."""

from __future__ import annotations

import gc
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import psycopg
from psycopg.conninfo import make_conninfo

from mainstem import Dec, Event, Int32, event_type
from mainstem.postgres import TopicOptions, create_topic
from mainstem.postgres.naming import table
from mainstem.postgres.statements import Row
from mainstem.registry.postgres import PostgresRegistry
from mainstem.wire import Wire

BATCH = 1000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@event_type("bench.shop")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """A payload as applications have them: some 200 bytes."""

    country: str
    total: Annotated[Decimal, Dec(12, 2)]
    quantity: Int32
    note: str


class Workload:
    """Events, rows and topics of one run."""

    payload_type = OrderPlaced

    def __init__(self, dsn: str) -> None:
        """Create the first topic."""
        self.dsn = dsn
        registry = PostgresRegistry(dsn)
        self._payload = OrderPlaced(
            country="Norway", total=Decimal("12.50"), quantity=3, note="n" * 180
        )
        event = Event(uuid.uuid4(), self._payload, NOW)
        self._data = Wire(registry, [OrderPlaced]).pack(event).data
        registry.close()
        self.topic = self.another_topic()

    @property
    def table(self) -> str:
        """The first topic's table, quoted."""
        return table(self.topic)

    def another_topic(self, *, versioned: bool = False) -> str:
        """A topic of its own, and its name."""
        name = f"b{uuid.uuid4().hex[:8]}_events"
        with psycopg.connect(self.dsn) as connection:
            create_topic(connection, name, TopicOptions(versioned=versioned))
        return name

    def keys(self, count: int) -> list[uuid.UUID]:
        """So many keys."""
        return [uuid.uuid4() for _ in range(count)]

    def events(self, count: int) -> list[Event[OrderPlaced]]:
        """So many events, each with a key of its own."""
        return [Event(key, self._payload, NOW) for key in self.keys(count)]

    def rows(self, count: int) -> list[Row]:
        """So many events as rows, encoded beforehand."""
        return [Row(key, self._data, None, NOW) for key in self.keys(count)]


@contextmanager
def unseen_by_the_collector() -> Iterator[None]:
    """Python's collector leaves alone what exists already: the workload itself costs nobody."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def postgresql() -> Iterator[str]:
    """Address of a database of this run's own, in DATABASE_URL or in a server started here."""
    with address() as url:
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            try:
                yield make_conninfo(url, dbname=name)
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def address() -> Iterator[str]:
    """Address of PostgreSQL: that of the environment, or one started here."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    from mainstem.stack.stack import Stack, StackSettings

    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(Path(directory) / ".mainstem", settings=StackSettings.of_environment())
        stack.up()
        try:
            yield str(stack.state.database_url)
        finally:
            stack.down(wipe=True)
