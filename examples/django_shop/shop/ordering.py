"""The shop's rules, apart from HTTP."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from mainstem import Event
from mainstem.contrib.django import save
from shop.events import OrderPlaced
from shop.models import Order


@transaction.atomic
def place(order_id: UUID, customer: str, total: Decimal) -> None:
    """The order and its event are there together; IntegrityError for an id that is taken."""
    save("order_events", Event(order_id, OrderPlaced(customer=customer, total=total)))
    Order.objects.create(id=order_id, customer=customer, total=total)
