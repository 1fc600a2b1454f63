"""Paid orders: each order meets its payment, whichever of the two comes by first.

Run it with `mainstem stream run paid_orders:paid_orders`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from events import ORDERS, PAID, PAYMENTS, OrderCompleted, OrderPaid, OrderPlaced

from mainstem import StoredEvent
from mainstem.streams import Streams, stream_app

PATIENCE: Final = timedelta(days=3)
"""A payment that is later completes no order."""


@stream_app("book-paid-orders")
def paid_orders(streams: Streams) -> None:
    """Orders with the payments of the same id in the days behind them."""
    orders = streams.subscribe(ORDERS, OrderPlaced)
    payments = streams.subscribe(PAYMENTS, OrderPaid)
    orders.join_interval(payments, completed, forward=PATIENCE).to(PAID)


def completed(order: StoredEvent[OrderPlaced], payment: StoredEvent[OrderPaid]) -> OrderCompleted:
    """Both together."""
    placed = order.payload
    return OrderCompleted(country=placed.country, net=placed.net, method=payment.payload.method)
