"""What the page shows of projection and stream, and how it learns that something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from pace import Pace
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

MINUTES_MAX: Final = 30
LOOK_S: Final = 0.25

THERE = text("SELECT to_regclass('revenue_by_minute') IS NOT NULL")
BY_COUNTRY = text("SELECT country, orders, revenue FROM revenue_by_country ORDER BY revenue DESC")
BY_MINUTE = text(
    """
    SELECT minute, coalesce(revenue, 0) AS revenue
    FROM generate_series(
        date_trunc('minute', now()) - make_interval(mins => :minutes - 1),
        date_trunc('minute', now()),
        '1 minute'
    ) AS minute
    LEFT JOIN revenue_by_minute USING (minute)
    ORDER BY minute
    """
).bindparams(minutes=MINUTES_MAX)


class Country(BaseModel):
    """What a country brought in."""

    country: str
    orders: int
    revenue: Decimal


class Minute(BaseModel):
    """What came in within a minute."""

    minute: datetime
    revenue: Decimal


class Revenue(BaseModel):
    """All that the page shows of both; amounts travel as text, so no cent is lost."""

    total: Decimal = Decimal("0.00")
    countries: list[Country] = []
    minutes: list[Minute] = []
    pace: Pace = Pace()


async def revenue(session: AsyncSession, pace: Pace) -> Revenue:
    """What the projection holds now, nothing before it has run for the first time; and the pace."""
    if not await session.scalar(THERE):
        return Revenue(pace=pace)
    countries = [Country(**row._mapping) for row in await session.execute(BY_COUNTRY)]  # noqa: SLF001  # SQLAlchemy's public name for it.
    minutes = [Minute(**row._mapping) for row in await session.execute(BY_MINUTE)]  # noqa: SLF001  # As above.
    total = sum((each.revenue for each in countries), Decimal("0.00"))
    return Revenue(total=total, countries=countries, minutes=minutes, pace=pace)


async def changes(
    new_session: async_sessionmaker[AsyncSession], pace: Callable[[], Pace]
) -> AsyncIterator[Revenue]:
    """What the page shows, now and whenever that has changed, until nobody listens."""
    shown = None
    while True:
        async with new_session() as session:
            found = await revenue(session, pace())
        if found != shown:
            shown = found
            yield found
        await asyncio.sleep(LOOK_S)
