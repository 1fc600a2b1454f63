"""The events on both sides of the streams: what goes in, and what comes out; and their topics.

The key of an order, and of its payment, is the order's id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

from mainstem import Dec, event_type

ORDERS: Final = "book_order_events"
PAYMENTS: Final = "book_payment_events"
PRICED: Final = "book_priced_order_events"
REVENUE: Final = "book_revenue_events"
PAID: Final = "book_paid_order_events"


@event_type("com.example.books")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Somebody ordered books; `net` is without tax."""

    country: str
    net: Annotated[Decimal, Dec(12, 2)]


@event_type("com.example.books")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaid:
    """Somebody paid for them."""

    method: str


@event_type("com.example.books")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPriced:
    """An order with its tax; its key is the order's."""

    country: str
    net: Annotated[Decimal, Dec(12, 2)]
    tax: Annotated[Decimal, Dec(12, 2)]


@event_type("com.example.books")
@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueCounted:
    """What a country has brought in within a minute, so far; its key is the country."""

    country: str
    minute: datetime
    orders: int
    net: Annotated[Decimal, Dec(14, 2)]


@event_type("com.example.books")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCompleted:
    """An order with its payment; its key is the order's."""

    country: str
    net: Annotated[Decimal, Dec(12, 2)]
    method: str
