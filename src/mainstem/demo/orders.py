"""Real order lines out of the CSV file that ships with the demo; the first step of its data.

Times in the file carry no zone. The shop stood in the United Kingdom and the file is from
December, when its time was UTC, so they are taken as UTC.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

from mainstem.errors import DecodeError

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
CANCELLED_PREFIX = "C"
ENCODING = "cp1252"
"""The file's one byte beyond ASCII is the pound sign of Windows-1252."""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line of an invoice: what was ordered, or cancelled, of one article."""

    invoice: str
    stock_code: str
    description: str
    quantity: int
    placed_at: datetime
    unit_price: Decimal
    customer_id: str | None
    country: str | None

    @property
    def cancelled(self) -> bool:
        """Whether the invoice takes an order back; its quantities are negative then."""
        return self.invoice.startswith(CANCELLED_PREFIX)


class RefusedLine(NamedTuple):
    """A line of the file that is no order line; it is counted and never guessed at."""

    number: int
    """Its number in the file, from 1, the heading included."""
    name: str
    """`line-cut-off` where columns are missing, `line-malformed` where a value cannot be read."""
    reason: str

    def __str__(self) -> str:
        """What the screen says of it."""
        return f"line {self.number:,} refused, {self.name}: {self.reason}"


class Orders(NamedTuple):
    """All order lines of a file, in its order, and the lines that were refused."""

    lines: list[OrderLine]
    refused: list[RefusedLine]


def shipped_orders() -> Orders:
    """The orders of the file that ships with Mainstem."""
    packed = files("mainstem.demo").joinpath("data", "online_retail.csv.gz").read_bytes()
    return parse_orders(gzip.decompress(packed).decode(ENCODING).splitlines())


def parse_orders(text_lines: Iterable[str]) -> Orders:
    """Sort lines of CSV text into order lines and refused ones; DecodeError on another heading."""
    reader = csv.reader(text_lines)
    if tuple(next(reader, ())) != COLUMNS:
        raise DecodeError(f"the file's first line is not {','.join(COLUMNS)}")
    orders = Orders([], [])
    for values in reader:
        outcome = parse_line(reader.line_num, values)
        if isinstance(outcome, OrderLine):
            orders.lines.append(outcome)
        else:
            orders.refused.append(outcome)
    return orders


def parse_line(number: int, values: list[str]) -> OrderLine | RefusedLine:
    """The order line in these column values, or the reason why it is none."""
    if len(values) != len(COLUMNS):
        name = "line-cut-off" if len(values) < len(COLUMNS) else "line-malformed"
        return RefusedLine(number, name, f"{len(values)} of {len(COLUMNS)} columns")
    invoice, stock_code, description, quantity, placed_at, unit_price, customer_id, country = values
    try:
        return OrderLine(
            invoice=invoice,
            stock_code=stock_code,
            description=description,
            quantity=int(quantity),
            placed_at=datetime.strptime(placed_at, "%d/%m/%Y %H:%M").replace(tzinfo=UTC),
            unit_price=Decimal(unit_price),
            customer_id=customer_id or None,
            country=country or None,
        )
    except (ValueError, InvalidOperation):
        return RefusedLine(number, "line-malformed", "a number or date cannot be read")


def by_invoice(
    lines: Iterable[OrderLine], limit: int | None = None
) -> Mapping[str, list[OrderLine]]:
    """The first `limit` lines (all by default) by invoice, both in the order of the file."""
    invoices: dict[str, list[OrderLine]] = {}
    for line in islice(lines, limit):
        invoices.setdefault(line.invoice, []).append(line)
    return invoices
