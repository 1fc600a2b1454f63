"""Revenue by country, and by month, folded from the events as they came back from Kafka: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date
from decimal import Decimal
from typing import NamedTuple

from mainstem.demo.events import InvoiceLine
from mainstem.event import StoredEvent

UNKNOWN_COUNTRY = "unknown"
BAR_CELLS = 24
TOP_ROWS = 5
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


class Cell(NamedTuple):
    """One row of revenue by country and month, by its key."""

    country: str
    month: date
    """Its first day."""


class Sum(NamedTuple):
    """What the lines of a country and month came to."""

    revenue: Decimal
    line_count: int


class CountryRevenue(NamedTuple):
    """What one country's orders came to, cancellations taken off."""

    country: str
    revenue: Decimal
    line_count: int


def revenue_by_country(payloads: Iterable[InvoiceLine]) -> list[CountryRevenue]:
    """Quantity times price for each country, the largest first; an empty one is `unknown`."""
    revenue: dict[str, Decimal] = {}
    line_counts: Counter[str] = Counter()
    for payload in payloads:
        country = payload.country or UNKNOWN_COUNTRY
        revenue[country] = revenue.get(country, Decimal()) + payload.quantity * payload.unit_price
        line_counts[country] += 1
    totals = (CountryRevenue(name, total, line_counts[name]) for name, total in revenue.items())
    return sorted(totals, key=lambda total: (-total.revenue, total.country))


def added_up(events: Iterable[StoredEvent[InvoiceLine]]) -> dict[Cell, Sum]:
    """What these lines come to, by country and month in UTC."""
    sums: dict[Cell, Sum] = {}
    for event in events:
        line = event.payload
        month = event.timestamp.astimezone(UTC).date().replace(day=1)
        cell = Cell(line.country or UNKNOWN_COUNTRY, month)
        revenue, line_count = sums.get(cell, (Decimal(), 0))
        sums[cell] = Sum(revenue + line.quantity * line.unit_price, line_count + 1)
    return sums


def monthly_table(sums: Mapping[Cell, Sum]) -> list[str]:
    """The largest countries of the projection's table, month by month, as lines of text."""
    largest = sorted(sums.items(), key=lambda item: (-item[1].revenue, item[0]))[:TOP_ROWS]
    width = max((len(cell.country) for cell, _ in largest), default=0)
    lines = [
        f"   {cell.country:<{width}} {cell.month:%Y-%m} {entry.line_count:>7,} lines"
        f" {pounds(entry.revenue):>14}"
        for cell, entry in largest
    ]
    more = len(sums) - len(largest)
    return [*lines, f"   and {more} more"] if more else lines


def bar(value: Decimal, largest: Decimal, cells: int = BAR_CELLS) -> str:
    """A bar of block characters, in eighths of a cell; empty for what is not above nought."""
    if value <= 0 or largest <= 0:
        return ""
    # What is there must be seen, so the smallest bar is one eighth.
    eighths = max(1, int(value / largest * cells * 8))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8]


def pounds(amount: Decimal) -> str:
    """`£1,234.50`, and `-£1.00` below nought."""
    return f"{'-' if amount < 0 else ''}£{abs(amount):,.2f}"


def revenue_table(totals: list[CountryRevenue]) -> list[str]:
    """The table as lines of text, a bar for each country and the sum at the end."""
    if not totals:
        return []
    largest = totals[0].revenue
    width = max(len(total.country) for total in totals)
    lines = [
        f"   {total.country:<{width}} {total.line_count:>7,} lines"
        f" {pounds(total.revenue):>14}  {bar(total.revenue, largest)}".rstrip()
        for total in totals
    ]
    revenue = sum((total.revenue for total in totals), Decimal())
    line_count = sum(total.line_count for total in totals)
    return [*lines, f"   {'together':<{width}} {line_count:>7,} lines {pounds(revenue):>14}"]
