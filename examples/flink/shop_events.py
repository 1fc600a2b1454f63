"""The events on both sides of the job: orders that go in, and the revenue that comes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from mainstem import Dec, Int32, event_type

ORDERS: Final = "tea_order_events"
REVENUE: Final = "tea_revenue_events"


@event_type("com.example.tea")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Somebody ordered."""

    country: str
    tea: str
    packs: Int32
    total: Annotated[Decimal, Dec(12, 2)]


@event_type("com.example.tea")
@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueCounted:
    """A minute is over, and a country brought in so much; its key is the country."""

    country: str
    minute: datetime
    orders: int
    revenue: Annotated[Decimal, Dec(14, 2)]
