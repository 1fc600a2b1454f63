"""One key anew, in the tables that serve."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4, uuid5

import pytest

from mainstem.errors import ConfigurationError
from mainstem.event import StoredEvent
from mainstem.projection.definition import define
from mainstem.projection.handlers import on
from mainstem.projection.rebuilding import rebuild, rebuild_key
from mainstem.projection.streams.stream_projection import StreamProjection
from tests.projection.rebuilding.shop import NAMESPACE, OrderPlaced, Shop, serving, until

KEY = uuid5(NAMESPACE, "7")


@dataclass(frozen=True, slots=True)
class Spending:
    """What one customer has spent."""

    cents: int


class Customers(StreamProjection[Spending]):
    """Each customer's spending."""

    name = "customers"
    topics = ("orders",)
    tables = ("customers",)

    @on(OrderPlaced)
    def placed(self, state: Spending | None, event: StoredEvent[OrderPlaced]) -> Spending:
        """Add an order."""
        return Spending((state.cents if state else 0) + event.payload.cents)


def spending(shop: Shop) -> dict[object, int]:
    """The table."""
    return dict(shop.ask("SELECT key, cents FROM customers"))


def test_one_key_is_made_anew_while_the_projector_runs(shop: Shop) -> None:
    """Only its row changes, and it is exact: spoil two rows, make one anew, go on."""
    shop.order(970)
    cls = type("Customers", (Customers,), {"topics": (shop.topic,), "name": "customers"})
    definition = define(cls)
    rebuild(definition, shop.settings())
    exact = spending(shop)
    other = uuid5(NAMESPACE, "8")
    shop.run(f"UPDATE customers SET cents = 1 WHERE key IN ('{KEY}', '{other}')")

    with serving(shop, cls):
        report = rebuild_key(definition, shop.settings(), str(KEY).upper())
        repaired = spending(shop)
        shop.order(97)
        until(lambda: sum(spending(shop).values()) != sum(repaired.values()), "the next events")
        until(lambda: spending(shop)[KEY] == exact[KEY] + 977, "the key's next event")

    assert report.events == 10
    assert repaired == exact | {other: 1}


def test_a_key_without_events_loses_its_row(shop: Shop) -> None:
    """What no event says is not there: plant a row, and make it anew."""
    shop.order(97)
    cls = type("Customers", (Customers,), {"topics": (shop.topic,), "name": "customers"})
    rebuild(define(cls), shop.settings())
    stray = uuid4()
    shop.run(f"INSERT INTO customers VALUES ('{stray}', 5)")

    report = rebuild_key(define(cls), shop.settings(), str(stray))

    assert report.events == 0
    assert len(spending(shop)) == 97


def test_a_class_that_does_not_know_a_key_s_rows_is_refused(shop: Shop) -> None:
    """Nothing is guessed: ask for a key of a projection that sums over keys."""
    with pytest.raises(ConfigurationError, match="which rows"):
        rebuild_key(define(shop.projection()), shop.settings(), str(KEY))


def test_a_text_that_is_no_key_is_not_repeated_in_the_error(shop: Shop) -> None:
    """Keys are secret: give one that is cut off."""
    with pytest.raises(ConfigurationError) as caught:
        rebuild_key(define(Customers), shop.settings(), "4711")

    assert "4711" not in str(caught.value)
