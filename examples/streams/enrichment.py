"""Enrichment: each order goes on with the tax of its country; nothing is kept between two.

Run it with `mainstem stream run enrichment:enrichment`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from events import ORDERS, PRICED, OrderPlaced, OrderPriced

from mainstem import StoredEvent
from mainstem.streams import Streams, stream_app

CENT: Final = Decimal("0.01")
TAX: Final = {"Germany": Decimal("0.07"), "Norway": Decimal("0.00"), "Spain": Decimal("0.04")}
"""On books, of the net price."""


@stream_app("book-enrichment")
def enrichment(streams: Streams) -> None:
    """Orders from countries that we deliver to, priced."""
    orders = streams.subscribe(ORDERS, OrderPlaced)
    orders.filter(lambda order: order.payload.country in TAX).apply(priced).to(PRICED)


def priced(order: StoredEvent[OrderPlaced]) -> OrderPriced:
    """The order with its tax, which is rounded to cents."""
    country, net = order.payload.country, order.payload.net
    return OrderPriced(country=country, net=net, tax=(net * TAX[country]).quantize(CENT))
