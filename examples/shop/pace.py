"""The pace: what comes in within each minute, by a stream of its own, and how the page hears of it.

The stream runs as a process of its own: `mainstem stream run pace:pace`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from orders import TOPIC, OrderPlaced
from pydantic import BaseModel

from mainstem import Dec, Int32, event_type
from mainstem.kafka import AsyncKafkaEventStore
from mainstem.streams import Count, Streams, Sum, Window, stream_app

PACE: Final = "pace_events"
MINUTE: Final = timedelta(minutes=1)
GRACE: Final = timedelta(days=1)
"""A replay reads one partition after another, so orders may be late by as much as they span."""


@event_type("com.example.shop")
@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteCounted:
    """What has come in within a minute, so far."""

    minute: datetime
    orders: Int32
    revenue: Annotated[Decimal, Dec(14, 2)]


@stream_app("shop-pace")
def pace(streams: Streams) -> None:
    """All orders, cut into minutes and added up, anew with each order."""
    orders = streams.subscribe(TOPIC, OrderPlaced).group_by(lambda _: "shop", "shop")
    minutes = orders.tumbling_window(MINUTE, grace=GRACE, name="minutes")
    sums = minutes.agg(orders=Count(), revenue=Sum("total")).current()
    sums.apply(counted).to(PACE)


def counted(window: Window[dict[str, Any]]) -> MinuteCounted:
    """What a window amounts to, as an event."""
    return MinuteCounted(minute=window.start, orders=window["orders"], revenue=window["revenue"])


class Pace(BaseModel):
    """What this minute has brought in."""

    orders: int = 0
    revenue: Decimal = Decimal("0.00")


class PaceFollower:
    """Knows what the stream last said, in the memory of one process."""

    def __init__(self, log: AsyncKafkaEventStore) -> None:
        """Nothing is known before it follows."""
        self._log = log
        self._last: MinuteCounted | None = None

    async def follow(self) -> None:
        """Take up what the stream says, from a minute ago on and for ever."""
        await asyncio.to_thread(self._log.create_topic, PACE)
        start = datetime.now(UTC) - MINUTE
        async with self._log.subscribe(PACE, start=start) as batches:
            async for batch in batches:
                for event in batch:
                    if self._last is None or event.payload.minute >= self._last.minute:
                        self._last = event.payload

    def now(self) -> Pace:
        """The pace of this minute; nothing, if the last word was on one before."""
        last = self._last
        if last is None or last.minute + MINUTE <= datetime.now(UTC):
            return Pace()
        return Pace(orders=last.orders, revenue=last.revenue)
