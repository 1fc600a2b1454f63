"""A small shop: events in a topic, a projection of them, and what its table must hold."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import psycopg

from mainstem.cli.main import exit_code
from mainstem.errors import Refusal
from mainstem.event import Event, Position, StoredEvent
from mainstem.kafka import KafkaSettings
from mainstem.projection.definition import Projection, define
from mainstem.projection.handlers import on
from mainstem.projection.projector import Projector
from mainstem.projection.rebuilding import RebuildSettings
from mainstem.projection.settings import ProjectorSettings
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from mainstem.schema.declare import Int32, event_type
from mainstem.stopping import Stop
from mainstem.wire import Wire
from tests.kafka.publisher import Publisher, created

NAMESPACE = UUID(int=5)
COUNTRIES = ("DE", "FR", "SE", "PT", "IE")
PARTITIONS = 3
FIRST_LSN = 0x2A0000
DEADLINE_S = 20.0
POLL_S = 0.02


@event_type("com.example.rebuilding")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Something was ordered."""

    country: str
    cents: Int32


class Totals(Projection):
    """Orders and their sum for each country."""

    topics = (os.environ.get("SHOP_TOPIC", "orders"),)
    tables = ("totals",)
    ddl = """
        CREATE TABLE IF NOT EXISTS totals (
            country text PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL)
    """

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """Add what was ordered."""
        tx.execute(
            """
            INSERT INTO totals
            SELECT country, count(*), sum(cents)
            FROM unnest(%s::text[], %s::bigint[]) AS event (country, cents)
            GROUP BY country ORDER BY country
            ON CONFLICT (country) DO UPDATE
            SET orders = totals.orders + excluded.orders, cents = totals.cents + excluded.cents
            """,
            ([each.payload.country for each in events], [each.payload.cents for each in events]),
        )


class TotalsBySecondVersion(Totals):
    """The next version: the table has one more column."""

    name = "totals"
    version = 2
    ddl = """
        CREATE TABLE IF NOT EXISTS totals (
            country text PRIMARY KEY, orders bigint NOT NULL, cents bigint NOT NULL,
            source text NOT NULL DEFAULT 'second')
    """


class Shop:
    """A topic with events, and a database with the tables of Mainstem."""

    def __init__(self, database_url: str, kafka: KafkaSettings, topic: str) -> None:
        """Prepare the database."""
        self.database_url = database_url
        self.kafka = kafka
        self.topic = topic
        assert exit_code(["init", "--database-url", database_url]) == 0
        self.registry = CachingRegistry(PostgresRegistry(database_url))
        self.connection = psycopg.connect(database_url, autocommit=True)
        self.expected: Counter[str] = Counter()
        self._wire = Wire(self.registry, (OrderPlaced,))
        self._publisher = Publisher(kafka)
        self._number = 0

    def close(self) -> None:
        """Leave the database."""
        self.connection.close()
        self.registry.close()

    def order(self, count: int) -> None:
        """Publish events, in one Kafka transaction."""
        with self._publisher.transaction():
            for _ in range(count):
                self._number += 1
                country = COUNTRIES[self._number % len(COUNTRIES)]
                payload = OrderPlaced(country=country, cents=self._number)
                key = uuid5(NAMESPACE, str(self._number % 97))
                record = self._wire.pack(Event(key, payload))
                position = Position(FIRST_LSN + self._number, 0)
                self._publisher.publish(self.topic, record, self._number, position)
                self.expected[country] += self._number

    def projection(self, cls: type[Projection] = Totals, **attributes: Any) -> type[Projection]:
        """The class, reading the topic of this shop."""
        return type(cls.__name__, (cls,), {"topics": (self.topic,), **attributes})

    def settings(self, **options: Any) -> RebuildSettings:
        """How to rebuild here."""
        return RebuildSettings(self.database_url, self.kafka, self.registry, **options)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql.encode()).fetchall()

    def run(self, sql: str) -> None:
        """Run statements."""
        self.connection.execute(sql.encode())

    def totals(self) -> dict[str, int]:
        """Cents by country, as the table has them."""
        return {
            country: int(cents) for country, cents in self.ask("SELECT country, cents FROM totals")
        }

    def applied(self) -> int:
        """Events that the table counts."""
        return int(self.ask("SELECT COALESCE(sum(orders), 0) FROM totals")[0][0])


@contextmanager
def serving(
    shop: Shop, projection: type[Projection], ends_by: str | None = None
) -> Iterator[Future[None]]:
    """A projector that runs meanwhile, and is to end by the refusal of this name, or by none."""
    stop = Stop()
    settings = ProjectorSettings(
        database_url=shop.database_url, kafka=shop.kafka, batch_events_max=200
    )
    projector = Projector(define(projection), settings, shop.registry, stop=stop)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(projector.run)
        try:
            yield running
        finally:
            stop.request()
            error = running.exception(DEADLINE_S)
    if ends_by is not None:
        assert isinstance(error, Refusal)
        assert error.name == ends_by
    elif error is not None:
        raise error


class Looker:
    """Reads the table all the time, and keeps every count of rows that it has seen."""

    def __init__(self, database_url: str, table: str = "totals") -> None:
        """Read nothing yet."""
        self._database_url = database_url
        self._sql = f"SELECT count(*) FROM {table}".encode()
        self._ending = threading.Event()
        self.seen: Counter[int] = Counter()

    def look(self) -> None:
        """Read until told to end; raises for a table that is not there."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while not self._ending.is_set():
                row = connection.execute(self._sql).fetchone()
                assert row is not None
                self.seen[row[0]] += 1

    @contextmanager
    def looking(self) -> Iterator[Looker]:
        """Read in a thread for the block; what the reader met is raised at its end."""
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(self.look)
            try:
                yield self
            finally:
                self._ending.set()
                reading.result(DEADLINE_S)


def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {DEADLINE_S} s"
        threading.Event().wait(POLL_S)


@contextmanager
def opened(database_url: str, kafka: KafkaSettings, topic: str) -> Iterator[Shop]:
    """A shop whose topic goes with it."""
    with created(kafka, topic, PARTITIONS):
        shop = Shop(database_url, kafka, topic)
        try:
            yield shop
        finally:
            shop.close()
