"""Orders for the job of examples/flink, and what it must make of them, by plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

from mainstem import Event, event_type
from tests.examples.flink import FLINK
from tests.examples.flink.environment import loaded

MINUTES = 40
ORDERS_A_MINUTE = 500
JITTER_S = 8.0
"""Orders come out of order, by less than the job's watermark forgives."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COUNTRIES = ("France", "Norway", "Spain")
CANCELLED_OF = 10
"""One in so many events of the topic is of another type, which the job passes over."""
CLOSING = 64
"""Enough keys that each partition gets one, so that no window stays open for want of time."""

shop = loaded(FLINK / "shop_events.py")


@event_type("com.example.tea")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """Another type of the same topic."""

    reason: str


class Window(NamedTuple):
    """What a result is about."""

    country: str
    minute: datetime


class Total(NamedTuple):
    """What a result says."""

    orders: int
    revenue: Decimal


def minutes(seed: int) -> Iterator[list[Event[Any]]]:
    """The orders, minute by minute; always the same for a seed, but for their keys."""
    drawn = random.Random(seed)
    for minute in range(MINUTES):
        yield [placed(drawn, minute, number) for number in range(ORDERS_A_MINUTE)]


def placed(drawn: random.Random, minute: int, number: int) -> Event[Any]:
    """An order of the minute, or once in a while something else."""
    second = 60 * (minute + number / ORDERS_A_MINUTE) - drawn.uniform(0, JITTER_S)
    at = BEGIN + timedelta(seconds=max(0.0, second))
    if number % CANCELLED_OF == 0:
        return Event(uuid4(), OrderCancelled(reason="changed my mind"), at)
    total = Decimal(drawn.randrange(1, 100_000)) / 100
    country = drawn.choice(COUNTRIES)
    return Event(uuid4(), shop.OrderPlaced(country=country, tea="Assam", packs=1, total=total), at)


def closing(hours: int) -> list[Event[Any]]:
    """Orders so many hours later: with them all the minutes before are over."""
    order = shop.OrderPlaced(country="Spain", tea="Assam", packs=1, total=Decimal(1))
    at = BEGIN + timedelta(minutes=MINUTES, hours=hours)
    return [Event(uuid4(), order, at) for _ in range(CLOSING)]


def expected(events: Iterable[Event[Any]]) -> dict[Window, Total]:
    """What the job must find."""
    totals: dict[Window, Total] = defaultdict(lambda: Total(0, Decimal(0)))
    for event in events:
        if isinstance(event.payload, shop.OrderPlaced):
            minute = event.timestamp.replace(second=0, microsecond=0)
            window = Window(event.payload.country, minute)
            orders, revenue = totals[window]
            totals[window] = Total(orders + 1, revenue + event.payload.total)
    return dict(totals)
