"""The demo's projection: revenue by country and month, as its users would write one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import psycopg

from mainstem.demo import statements
from mainstem.demo.events import InvoiceLine, OrderCancelled, OrderPlaced
from mainstem.demo.revenue import added_up
from mainstem.event import StoredEvent
from mainstem.projection.definition import Projection
from mainstem.projection.handlers import on

TOPIC_VARIABLE = "MAINSTEM_DEMO_TOPIC"
TOPIC = "order_events"


class RevenueByCountryAndMonth(Projection):
    """Revenue by country and month, cancellations taken off."""

    tables = ("revenue_by_country_and_month",)
    ddl = statements.REVENUE_TABLE

    def __init__(self) -> None:
        """Follow the demo's topic, which has a name of its own on servers that others use."""
        topic = os.environ.get(TOPIC_VARIABLE, TOPIC)
        self.topics = (topic,)  # type: ignore[misc]  # Another one for each demo.
        self.name = group_name(topic)  # type: ignore[misc]  # As above.

    @on(OrderPlaced, OrderCancelled)
    async def invoiced(
        self, events: Sequence[StoredEvent[InvoiceLine]], tx: psycopg.AsyncConnection
    ) -> None:
        """Add what a batch of lines comes to, in one statement."""
        # In the order of the keys, so that two members never wait for each other.
        sums = sorted(added_up(events).items())
        columns = (
            [cell.country for cell, _ in sums],
            [cell.month for cell, _ in sums],
            [entry.revenue for _, entry in sums],
            [entry.line_count for _, entry in sums],
        )
        await tx.execute(statements.ADD_REVENUE, columns)


def group_name(topic: str) -> str:
    """The projection's name: one for each topic, for demos may run side by side."""
    return f"revenue_of_{topic}"
