"""What happens in the shop of these tests, and programs that look at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mainstem import event_type
from mainstem.event import StoredEvent


@event_type("streams.tests")
@dataclass(frozen=True)
class OrderPlaced:
    """Somebody ordered something."""

    country: str
    cents: int


@event_type("streams.tests")
@dataclass(frozen=True)
class OrderPaid:
    """Somebody paid for it."""

    method: str


@event_type("streams.tests")
@dataclass(frozen=True)
class BigOrder:
    """An order that somebody should look at."""

    euros: float


@event_type("streams.tests")
@dataclass(frozen=True)
class Counted:
    """How many orders a key has."""

    orders: int


@event_type("streams.tests")
@dataclass(frozen=True)
class Revenue:
    """What a country brought in a window."""

    country: str
    start_ms: int
    cents: int
    orders: int


@event_type("streams.tests")
@dataclass(frozen=True)
class PaidOrder:
    """An order with its payment."""

    cents: int
    method: str


MINUTE = timedelta(minutes=1)


def paid(order: StoredEvent[OrderPlaced], payment: StoredEvent[OrderPaid]) -> PaidOrder:
    """Both together."""
    return PaidOrder(order.payload.cents, payment.payload.method)
