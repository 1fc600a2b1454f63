"""Django's own tests of the shop: TestCase works, for events are in the test's transaction."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid4

from django.test import TestCase

from mainstem import StoredEvent
from mainstem.contrib.django import event_store
from shop.events import OrderPlaced
from shop.models import Order


class Ordering(TestCase):
    """Orders placed over HTTP, by each of the views."""

    def test_an_order_brings_its_event(self) -> None:
        """Both are there, under one id: place an order and read its events."""
        for address in ("/orders", "/async/orders"):
            order_id = uuid4()
            answer = self.client.post(address, {"id": order_id, "customer": "Ada", "total": "12.5"})
            (event,) = history(order_id)

            assert answer.status_code == 201
            assert Order.objects.get(id=order_id).customer == "Ada"
            assert event.payload == OrderPlaced(customer="Ada", total=Decimal("12.50"))

    def test_an_order_that_fails_leaves_no_event(self) -> None:
        """The event is undone with the order: place one twice, and count its events."""
        order_id = uuid4()
        form = {"id": order_id, "customer": "Bob", "total": "8"}
        first, second = (self.client.post("/orders", form) for _ in range(2))

        assert (first.status_code, second.status_code) == (201, 409)
        assert len(history(order_id)) == 1


def history(order_id: UUID) -> list[StoredEvent[object]]:
    """What happened to the order, as this test's transaction sees it."""
    return list(event_store().read("order_events", key=order_id, within="default"))
