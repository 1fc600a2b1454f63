"""Types of streams: what a payload becomes on its way; nothing here is ever run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from mainstem import Int32, StoredEvent, event_type
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams import (
    Count,
    EventStream,
    KafkaStreamsStore,
    State,
    StreamApp,
    Streams,
    Sum,
    Window,
    stream_app,
)


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A payload."""

    cents: Int32


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Another payload."""

    method: str


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class Big:
    """A result."""

    cents: Int32


MINUTE = timedelta(minutes=1)


def big(event: StoredEvent[Ordered]) -> Big:
    """A result for an order."""
    return Big(cents=event.payload.cents)


def stateful(event: StoredEvent[Ordered], state: State) -> int:
    """A number for an order and what was before."""
    before: int = state.get("cents", 0)
    return event.payload.cents + before


def one_by_one(streams: Streams) -> None:
    """Payload types come from the classes that are subscribed to, then from functions."""
    orders = streams.subscribe("order_events", Ordered)
    assert_type(orders, EventStream[StoredEvent[Ordered]])
    both = streams.subscribe("order_events", Ordered, Paid)
    assert_type(both, EventStream[StoredEvent[Ordered | Paid]])
    assert_type(streams.subscribe("order_events"), EventStream[StoredEvent[Any]])
    dear = orders.filter(lambda event: event.payload.cents > 1)
    assert_type(dear, EventStream[StoredEvent[Ordered]])
    assert_type(orders.apply(big), EventStream[Big])
    assert_type(orders.apply(lambda event: event.payload.cents), EventStream[int])
    assert_type(orders.apply(stateful, stateful=True), EventStream[int])
    assert_type(orders.expand(lambda event: [event.payload]), EventStream[Ordered])
    assert_type(orders.apply(big).to("big_orders"), EventStream[Big])
    assert_type(orders.group_by("cents"), EventStream[StoredEvent[Ordered]])


def one_by_one_errors(orders: EventStream[StoredEvent[Ordered]]) -> None:
    """What a payload does not have, and functions that do not fit."""
    orders.filter(lambda event: event.payload.method)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    orders.apply(lambda event: event.payload.method)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    orders.apply(big).apply(big)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    orders.to("big_orders", key=lambda event: event.payload.method)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def more(most: int, event: StoredEvent[Ordered]) -> int:
    """The greater one."""
    return max(most, event.payload.cents)


def cents(event: StoredEvent[Ordered]) -> int:
    """What an order costs."""
    return event.payload.cents


def windowed(orders: EventStream[StoredEvent[Ordered]]) -> None:
    """Windows know what they amount to."""
    windows = orders.tumbling_window(MINUTE)
    assert_type(windows.count().current(), EventStream[Window[int]])
    assert_type(windows.mean("cents").final(), EventStream[Window[float | None]])
    assert_type(windows.collect().final(), EventStream[Window[list[StoredEvent[Ordered]]]])
    assert_type(
        windows.agg(cents=Sum("cents"), orders=Count()).final(), EventStream[Window[dict[str, Any]]]
    )
    most = windows.reduce(more, cents)
    assert_type(most.current(), EventStream[Window[int]])
    assert_type(most.current().apply(lambda window: window.value), EventStream[int])
    windows.count().current().apply(lambda window: window.payload)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    windows.agg(cents="cents")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    orders.tumbling_window(60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def pair(order: StoredEvent[Ordered], payment: StoredEvent[Paid]) -> tuple[int, str]:
    """Both."""
    return order.payload.cents, payment.payload.method


def pair_if_any(order: StoredEvent[Ordered], payment: StoredEvent[Paid] | None) -> Big:
    """The order, paid or not."""
    return Big(cents=order.payload.cents if payment is None else 0)


def joined(
    orders: EventStream[StoredEvent[Ordered]], payments: EventStream[StoredEvent[Paid]]
) -> None:
    """The function that merges is given both, or None where `how` lets one be missing."""
    assert_type(orders.join_asof(payments, pair), EventStream[tuple[int, str]])
    assert_type(orders.join_asof(payments, pair_if_any, how="left"), EventStream[Big])
    assert_type(orders.join_interval(payments, pair, forward=MINUTE), EventStream[tuple[int, str]])
    assert_type(orders.concat(payments), EventStream[StoredEvent[Ordered] | StoredEvent[Paid]])
    orders.join_asof(payments, lambda _order, payment: payment.payload.cents)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    orders.join_asof(payments, pair, how="left")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    orders.join_interval(payments, pair, how="outer")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    orders.join_asof(payments, pair, how="outer")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@stream_app("big_orders", types=[Big])
def big_orders(streams: Streams) -> None:
    """A program."""
    streams.subscribe("order_events", Ordered).apply(big).to("big_orders")


assert_type(big_orders, StreamApp)
KafkaStreamsStore(one_by_one, "127.0.0.1:9092", registry=MemoryRegistry())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
