"""Order lines become events: typed payloads, keyed by their invoice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

from mainstem.demo.orders import OrderLine
from mainstem.event import Event
from mainstem.schema.declare import Dec, Int32, event_type

INVOICES = uuid5(NAMESPACE_URL, "https://archive.ics.uci.edu/dataset/352/online+retail")
"""The name space of invoice numbers, so that a key is the same on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """What both kinds of events say about one line of an invoice."""

    invoice: str
    stock_code: str
    description: str
    quantity: Int32
    unit_price: Annotated[Decimal, Dec(12, 2)]
    customer_id: str | None
    country: str | None


@event_type("com.example.retail")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced(InvoiceLine):
    """One article was ordered."""


@event_type("com.example.retail")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(InvoiceLine):
    """One article of an earlier order was taken back; its quantity is negative."""


OrderEvent: TypeAlias = Event[InvoiceLine]
EVENT_TYPES: tuple[type, ...] = (OrderPlaced, OrderCancelled)


def invoice_key(invoice: str) -> UUID:
    """The key of all events of an invoice: the same UUID for the same number, everywhere."""
    return uuid5(INVOICES, invoice)


def invoice_events(lines: Iterable[OrderLine]) -> list[OrderEvent]:
    """One event for each line, at the time of its invoice, in the order of the lines."""
    return [Event(invoice_key(line.invoice), payload_of(line), line.placed_at) for line in lines]


def payload_of(line: OrderLine) -> InvoiceLine:
    """OrderPlaced, or OrderCancelled for a line of a cancelled invoice."""
    declared = OrderCancelled if line.cancelled else OrderPlaced
    return declared(
        invoice=line.invoice,
        stock_code=line.stock_code,
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        customer_id=line.customer_id,
        country=line.country,
    )
