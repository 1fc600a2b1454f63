"""Stream applications for tests of the command line; topics come by the environment."""

from __future__ import annotations

import os

from mainstem.event import StoredEvent
from mainstem.streams import State, Streams, stream_app
from tests.streams.shop import Counted, OrderPlaced

TOPIC = os.environ.get("SHOP_TOPIC", "orders")


def counted(event: StoredEvent[OrderPlaced], state: State) -> Counted:
    """How many orders this key has by now; one of no cents cannot be counted."""
    assert event.payload.cents, "it is worth nothing"
    orders = state.get("orders", 0) + 1
    state.set("orders", orders)
    return Counted(orders)


@stream_app(f"counting_{TOPIC}")
def counting(streams: Streams) -> None:
    """Counts orders."""
    streams.subscribe(TOPIC, OrderPlaced).apply(counted, stateful=True).to(f"{TOPIC}_counted")
