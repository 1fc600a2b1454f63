"""The projections of bench/project.py, as users would write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from project_statements import ADD_MANY, ADD_ONE, TABLE
from workload import OrderPlaced

from mainstem.event import StoredEvent
from mainstem.projection import Projection, StreamProjection, on

TOPIC = os.environ.get("BENCH_TOPIC", "bench_events")
NAME = os.environ.get("BENCH_NAME", "bench")
CHANNEL = "bench"
SEEN_MAX = 1_000
"""Numbers in a notification, which holds less than 8,000 bytes."""


class Batched(Projection):
    """Revenue by country, a batch at a time."""

    topics = (TOPIC,)
    name = NAME
    tables = ("revenue",)
    ddl = TABLE

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """Add up, and write once."""
        sums: dict[str, tuple[Decimal, int]] = {}
        for event in events:
            order = event.payload
            total, count = sums.get(order.country, (Decimal(), 0))
            sums[order.country] = total + order.total, count + 1
        totals = [total for total, _ in sums.values()]
        counts = [count for _, count in sums.values()]
        tx.execute(ADD_MANY, (list(sums), totals, counts))


class Single(Projection):
    """Revenue by country, one event at a time."""

    topics = (TOPIC,)
    name = NAME
    tables = ("revenue",)
    ddl = TABLE

    @on(OrderPlaced)
    def placed(self, event: StoredEvent[OrderPlaced], tx: psycopg.Connection[Any]) -> None:
        """One upsert."""
        tx.execute(ADD_ONE, (event.payload.country, event.payload.total))


class Seen(Projection):
    """Rows by number; PostgreSQL tells who listens when they are committed."""

    topics = (TOPIC,)
    name = NAME
    tables = ("seen",)
    ddl = "CREATE TABLE IF NOT EXISTS seen (number bigint PRIMARY KEY)"

    @on(OrderPlaced)
    async def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.AsyncConnection[Any]
    ) -> None:
        """Insert the rows, and let their numbers be told at the commit."""
        numbers = [event.payload.quantity for event in events]
        await tx.execute("INSERT INTO seen SELECT * FROM unnest(%s::bigint[])", (numbers,))
        for first in range(0, len(numbers), SEEN_MAX):
            told = " ".join(map(str, numbers[first : first + SEEN_MAX]))
            await tx.execute("SELECT pg_notify(%s, %s)", (CHANNEL, told))


@dataclass(frozen=True, slots=True)
class Account:
    """What one customer has bought."""

    orders: int
    total: Decimal


class Accounts(StreamProjection[Account]):
    """One row for each customer; folded live here."""

    topics = (TOPIC,)

    @on(OrderPlaced)
    def placed(self, state: Account | None, event: StoredEvent[OrderPlaced]) -> Account:
        """One order more."""
        before = state or Account(0, Decimal())
        return Account(before.orders + 1, before.total + event.payload.total)
