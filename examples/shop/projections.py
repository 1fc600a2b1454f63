"""The projection: what each country and each minute brought in, kept up to date by the events.

It runs as a process of its own: `mainstem project projections:RevenueByCountry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from orders import TOPIC, OrderPlaced

from mainstem import StoredEvent
from mainstem.projection import Projection, on

CREATE = """
CREATE TABLE IF NOT EXISTS revenue_by_country (
    country text PRIMARY KEY, orders bigint NOT NULL, revenue numeric(14, 2) NOT NULL
);
CREATE TABLE IF NOT EXISTS revenue_by_minute (
    minute timestamptz PRIMARY KEY, revenue numeric(14, 2) NOT NULL
);
"""

ADD_TO_COUNTRIES = """
INSERT INTO revenue_by_country AS known (country, orders, revenue)
SELECT country, count(*), sum(total)
FROM unnest(%s::text[], %s::numeric[]) AS placed (country, total)
GROUP BY country
ON CONFLICT (country) DO UPDATE
SET orders = known.orders + excluded.orders, revenue = known.revenue + excluded.revenue
"""

ADD_TO_MINUTES = """
INSERT INTO revenue_by_minute AS known (minute, revenue)
SELECT date_trunc('minute', at), sum(total)
FROM unnest(%s::timestamptz[], %s::numeric[]) AS placed (at, total)
GROUP BY 1
ON CONFLICT (minute) DO UPDATE SET revenue = known.revenue + excluded.revenue
"""


class RevenueByCountry(Projection):
    """Revenue by country and by minute: each order counted exactly once."""

    topics = (TOPIC,)
    tables = ("revenue_by_country", "revenue_by_minute")
    ddl = CREATE

    @on(OrderPlaced)
    async def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.AsyncConnection[Any]
    ) -> None:
        """Add a batch; how far we are commits with it, so a crash neither loses nor doubles."""
        totals = [event.payload.total for event in events]
        countries = [event.payload.country for event in events]
        await tx.execute(ADD_TO_COUNTRIES, (countries, totals))
        await tx.execute(ADD_TO_MINUTES, ([event.timestamp for event in events], totals))
