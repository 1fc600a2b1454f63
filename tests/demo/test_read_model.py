"""The demo's projection against SQL over the event table, and the bugs that this must show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainstem.demo import statements
from mainstem.demo.events import EVENT_TYPES, InvoiceLine, invoice_events
from mainstem.demo.orders import shipped_orders
from mainstem.demo.places import create_table
from mainstem.demo.projecting import ProjectionWatch
from mainstem.demo.proof import compare_tables
from mainstem.demo.read_model import TOPIC_VARIABLE, RevenueByCountryAndMonth
from mainstem.demo.revenue import added_up
from mainstem.demo.settings import Place
from mainstem.event import StoredEvent
from mainstem.kafka import KafkaSettings
from mainstem.postgres.store import PostgresEventStore
from mainstem.projection.definition import define

Stored = list[StoredEvent[InvoiceLine]]
LINES = 2_000
BATCH = 500


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    """A database with the demo's tables, gone after the test."""
    name = f"demo_read_model_{tmp_path.name[-12:].lower().replace('-', '_')}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statements.create_database(name).encode())
        try:
            made = Place(
                database_url=make_conninfo(database_url, dbname=name),
                kafka=KafkaSettings("127.0.0.1:1"),
                topic="order_events",
                line="main",
                log=tmp_path / "log",
            )
            create_table(made)
            yield made
        finally:
            connection.execute(statements.drop_database(name).encode())


@contextmanager
def saved(place: Place) -> Iterator[tuple[psycopg.Connection[Any], Stored]]:
    """A connection to the database, and the last so many lines of the file, saved there."""
    events = invoice_events(shipped_orders().lines[-LINES:])
    with PostgresEventStore.open(place.database_url, types=EVENT_TYPES) as store:
        stored = store.save_many(place.topic, events)
    with psycopg.connect(place.database_url, autocommit=True) as connection:
        connection.execute(statements.REVENUE_TABLE.encode())
        yield connection, stored


async def apply(place: Place, events: Stored) -> None:
    """As a projector does: batches, each in its transaction."""
    projection = RevenueByCountryAndMonth()
    async with await psycopg.AsyncConnection.connect(place.database_url) as connection:
        for first in range(0, len(events), BATCH):
            async with connection.transaction():
                await projection.invoiced(events[first : first + BATCH], connection)


def differences(place: Place) -> int:
    """What the demo's proof counts."""
    with ProjectionWatch(place) as watch:
        return compare_tables(*watch.tables()).differences


async def test_sql_over_the_event_table_reads_what_was_saved(place: Place) -> None:
    """Aim: the check is right by itself. Method: the same sums in Python, from the events."""
    with saved(place) as (_, stored), ProjectionWatch(place) as watch:
        tables = watch.tables()

        assert tables.expected == added_up(stored)
        assert len(tables.expected) > 1
        assert tables.projected == {}


@pytest.mark.parametrize(
    ("applied", "equal"),
    [
        (lambda events: events, True),
        (lambda events: events + events[-BATCH:], False),
        (lambda events: events[:BATCH] + events[BATCH + 1 :], False),
        (lambda events: events[:-BATCH], False),
    ],
    ids=["as it should be", "no compare-and-set", "one event lost", "offset first"],
)
async def test_a_batch_applied_twice_or_never_breaks_the_proof(
    place: Place, applied: Any, *, equal: bool
) -> None:
    """Aim: a projector without guards would be caught. Method: apply as such a one would have.

    Without a compare-and-set, or with handlers outside of the transaction, the batch at the kill
    is applied again; with the offset moved first, it is never applied.
    """
    with saved(place) as (_, stored):
        await apply(place, applied(stored))

        assert (differences(place) == 0) is equal


def test_each_demo_has_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aim: demos on the same servers leave each other alone. Method: two topics."""
    monkeypatch.delenv(TOPIC_VARIABLE, raising=False)
    usual = define(RevenueByCountryAndMonth)
    monkeypatch.setenv(TOPIC_VARIABLE, "order_1a_events")
    other = define(RevenueByCountryAndMonth)

    assert (usual.topics, usual.group) == (("order_events",), "revenue_of_order_events.v1")
    assert (other.topics, other.group) == (("order_1a_events",), "revenue_of_order_1a_events.v1")
