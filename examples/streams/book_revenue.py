"""Revenue: what each country brings in within each minute, as it stands after each order.

Run it with `mainstem stream run book_revenue:book_revenue`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from events import ORDERS, REVENUE, OrderPlaced, RevenueCounted

from mainstem.streams import Count, Streams, Sum, Window, stream_app

MINUTE: Final = timedelta(minutes=1)
GRACE: Final = timedelta(days=30)
"""Orders of one country come from several partitions, which a replay reads one after another: an
order is late then by as much as the partitions are apart."""


@stream_app("book-revenue")
def book_revenue(streams: Streams) -> None:
    """Orders by country, cut into minutes, added up."""
    minutes = (
        streams.subscribe(ORDERS, OrderPlaced)
        .group_by("country")
        .tumbling_window(MINUTE, grace=GRACE, name="minutes")
    )
    sums = minutes.agg(orders=Count(), net=Sum("net")).current()
    sums.apply(counted).to(REVENUE)


def counted(window: Window[dict[str, Any]]) -> RevenueCounted:
    """What a window amounts to, as an event."""
    return RevenueCounted(
        country=str(window.key), minute=window.start, orders=window["orders"], net=window["net"]
    )
