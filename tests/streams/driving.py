"""Driving: how tests try a program on events of the shop, without Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from mainstem.event import Event
from mainstem.streams.application import stream_app
from mainstem.streams.subscribing import Streams
from mainstem.testing.streams import StreamDriver
from tests.streams.shop import OrderPaid, OrderPlaced

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the tests' events begin."""
NOON_MS = 1_767_268_800_000


def drive(
    program: Callable[[Streams], None], *, partitions: int = 2, **options: Any
) -> StreamDriver:
    """A driver of a program whose keys are text."""
    app = stream_app("app", **{"key_type": str, **options})(program)
    return StreamDriver(app, partitions=partitions)


def at(second: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=second)


def order(key: Any, cents: int, second: float = 0, country: str = "DE") -> Event[OrderPlaced]:
    """Somebody orders something at this second."""
    return Event(key, OrderPlaced(country, cents), at(second))


def payment(key: Any, method: str, second: float = 0) -> Event[OrderPaid]:
    """Somebody pays at this second."""
    return Event(key, OrderPaid(method), at(second))


def payloads(events: Iterable[Event[Any]]) -> list[Any]:
    """What they hold."""
    return [event.payload for event in events]


def keyed(events: Iterable[Event[Any]]) -> list[tuple[Any, Any]]:
    """What they hold, with the key that it has."""
    return [(event.key, event.payload) for event in events]
