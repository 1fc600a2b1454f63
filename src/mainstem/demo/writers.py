"""The writers: each invoice is one transaction, many of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from psycopg import AsyncConnection

from mainstem.demo.events import EVENT_TYPES, OrderEvent, invoice_events
from mainstem.demo.orders import OrderLine
from mainstem.demo.settings import Place
from mainstem.demo.tally import Tally
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.store import AsyncPostgresEventStore


class Due(NamedTuple):
    """One invoice's events, and the second after the start when they may be saved."""

    due_s: float
    events: list[OrderEvent]


def schedule(invoices: Iterable[list[OrderLine]], rate: float | None) -> Iterator[Due]:
    """The invoices one after another, evenly at `rate` events per second; at once without one."""
    event_count = 0
    for lines in invoices:
        yield Due(event_count / rate if rate else 0.0, invoice_events(lines))
        event_count += len(lines)


async def save_all(place: Place, work: Iterator[Due], tally: Tally, writer_count: int) -> None:
    """Save everything in `work` with so many writers at once; the tally holds what is committed."""
    async with (
        AsyncPostgresEventStore.open(place.database_url, types=EVENT_TYPES) as store,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(writer_count):
            group.create_task(write(store, place, work, tally))


async def write(
    store: AsyncPostgresEventStore, place: Place, work: Iterator[Due], tally: Tally
) -> None:
    """One writer: save invoice after invoice, each in its own transaction, until none is left."""
    async with await AsyncConnection.connect(place.database_url, autocommit=True) as connection:
        for due in work:
            await asyncio.sleep(max(0.0, tally.started_s + due.due_s - time.monotonic()))
            with mapped(commits=True):
                async with connection.transaction():
                    stored = await store.save_many(place.topic, due.events, within=connection)
            tally.add(stored)
