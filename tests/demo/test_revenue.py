"""Revenue by country: against an independent computation, and its bars."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from decimal import Decimal
from importlib.resources import files

from mainstem.demo.events import OrderPlaced, payload_of
from mainstem.demo.orders import shipped_orders
from mainstem.demo.revenue import bar, pounds, revenue_by_country, revenue_table


def pence_by_country() -> dict[str, int]:
    """Revenue in whole pence, straight from the file's columns."""
    packed = files("mainstem.demo").joinpath("data", "online_retail.csv.gz").read_bytes()
    rows = csv.reader(gzip.decompress(packed).decode("latin-1").splitlines()[1:])
    pence: dict[str, int] = defaultdict(int)
    for row in rows:
        if len(row) == 8:
            pounds, _, hundredths = row[5].partition(".")
            pence[row[7]] += int(row[3]) * (int(pounds) * 100 + int(hundredths.ljust(2, "0") or 0))
    return pence


def placed(country: str | None, quantity: int, unit_price: str) -> OrderPlaced:
    """An order line of which only the revenue matters."""
    return OrderPlaced(
        invoice="1",
        stock_code="1",
        description="",
        quantity=quantity,
        unit_price=Decimal(unit_price),
        customer_id=None,
        country=country,
    )


def test_revenue_equals_an_independent_sum_to_the_penny() -> None:
    """Aim: the table is right. Method: add up whole pence from the raw file."""
    totals = revenue_by_country(payload_of(line) for line in shipped_orders().lines)
    expected = pence_by_country()

    assert {total.country: total.revenue * 100 for total in totals} == expected
    assert sum(total.line_count for total in totals) == 39_529


def test_cancellations_lower_revenue_and_empty_countries_are_unknown() -> None:
    """Aim: the two special cases. Method: three lines by hand."""
    totals = revenue_by_country(
        [placed("EIRE", 3, "2.00"), placed("EIRE", -1, "2.00"), placed(None, 1, "9.50")]
    )

    assert [(total.country, total.revenue) for total in totals] == [
        ("unknown", Decimal("9.50")),
        ("EIRE", Decimal("4.00")),
    ]


def test_bars_are_in_proportion_and_never_negative() -> None:
    """Aim: a bar tells the truth. Method: whole, half, an eighth, nought and below."""
    largest = Decimal(80)

    assert bar(largest, largest, 10) == "█" * 10
    assert bar(Decimal(41), largest, 10) == "█" * 5 + "▏"
    assert bar(Decimal("0.01"), largest, 10) == "▏"
    assert bar(Decimal(0), largest, 10) == bar(Decimal(-5), largest, 10) == ""


def test_the_table_ends_with_the_sum() -> None:
    """Aim: the table can be checked by eye. Method: two countries."""
    lines = revenue_table(
        revenue_by_country([placed("EIRE", 1, "1.00"), placed("France", 1, "1000")])
    )

    assert lines[-1].split() == ["together", "2", "lines", "£1,001.00"]
    assert [line.split()[0] for line in lines] == ["France", "EIRE", "together"]
    assert revenue_table([]) == []
    assert pounds(Decimal("-227.44")) == "-£227.44"
