"""The orders file: what it holds, what is refused, and how lines become events."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files

import pytest

from mainstem.demo.events import OrderCancelled, OrderPlaced, invoice_events, invoice_key
from mainstem.demo.orders import COLUMNS, Orders, by_invoice, parse_orders, shipped_orders
from mainstem.errors import DecodeError

HEADING = ",".join(COLUMNS)
LINE = "536370,22745,POPPY'S PLAYHOUSE,6,01/12/2010 08:45,2.1,12583,France"


@pytest.fixture(scope="module")
def orders() -> Orders:
    """The orders that ship with Mainstem, read once."""
    return shipped_orders()


def test_the_file_holds_the_lines_and_invoices_that_we_claim(orders: Orders) -> None:
    """Aim: README and demo tell true numbers. Method: count lines, invoices, cancellations."""
    cancelled = [line for line in orders.lines if line.cancelled]

    assert len(orders.lines) == 39_529
    assert len(by_invoice(orders.lines)) == 1_893
    assert len(cancelled) == 680
    assert all(line.quantity < 0 for line in cancelled)


def test_the_cut_off_line_is_refused_by_name_and_not_guessed(orders: Orders) -> None:
    """Aim: broken input is counted. Method: the shipped file ends in the middle of a line."""
    (refused,) = orders.refused

    assert (refused.number, refused.name) == (39_531, "line-cut-off")
    assert str(refused) == "line 39,531 refused, line-cut-off: 3 of 8 columns"


def test_every_line_of_the_file_is_an_order_line_or_refused(orders: Orders) -> None:
    """Aim: nothing is dropped silently. Method: count the raw lines independently."""
    packed = files("mainstem.demo").joinpath("data", "online_retail.csv.gz").read_bytes()
    raw_lines = gzip.decompress(packed).splitlines()

    assert len(raw_lines) == 1 + len(orders.lines) + len(orders.refused)


def test_every_price_fits_two_decimals(orders: Orders) -> None:
    """Aim: Dec(12, 2) loses no penny. Method: quantize each price and compare."""
    assert all(line.unit_price == round(line.unit_price, 2) for line in orders.lines)
    assert max(line.unit_price for line in orders.lines) < Decimal(10) ** 10


def test_empty_customers_are_none(orders: Orders) -> None:
    """Aim: an absent customer is no empty text. Method: count them against the raw column."""
    packed = files("mainstem.demo").joinpath("data", "online_retail.csv.gz").read_bytes()
    rows = csv.reader(gzip.decompress(packed).decode("latin-1").splitlines())
    empty = sum(1 for row in rows if len(row) == len(COLUMNS) and row[6] == "")

    assert Counter(line.customer_id is None for line in orders.lines)[True] == empty == 13_766
    assert not any(line.country == "" for line in orders.lines)


def test_a_line_is_read_into_types_with_its_time_in_utc() -> None:
    """Aim: values keep their meaning. Method: one line, each field."""
    (line,) = parse_orders([HEADING, LINE]).lines

    assert line.placed_at == datetime(2010, 12, 1, 8, 45, tzinfo=UTC)
    assert (line.quantity, line.unit_price) == (6, Decimal("2.1"))
    assert (line.customer_id, line.country) == ("12583", "France")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("536370,22745", "line-cut-off"),
        (LINE + ",one more", "line-malformed"),
        (LINE.replace(",6,", ",six,"), "line-malformed"),
        (LINE.replace("01/12", "32/12"), "line-malformed"),
        (LINE.replace("2.1,", "2.1.1,"), "line-malformed"),
    ],
)
def test_a_broken_line_is_refused_and_the_others_are_read(text: str, name: str) -> None:
    """Aim: one bad line costs one line. Method: put it between two good ones."""
    orders = parse_orders([HEADING, LINE, text, LINE])

    assert len(orders.lines) == 2
    assert [(refused.number, refused.name) for refused in orders.refused] == [(3, name)]


def test_another_heading_is_refused() -> None:
    """Aim: a file of other columns is not read by position. Method: swap two names."""
    with pytest.raises(DecodeError, match="first line"):
        parse_orders(["StockCode,InvoiceNo", LINE])


def test_a_limit_takes_the_first_lines(orders: Orders) -> None:
    """Aim: --events N means lines, not invoices. Method: a limit inside the second invoice."""
    invoices = by_invoice(orders.lines, 8)

    assert list(invoices) == ["536365", "536366"]
    assert [len(lines) for lines in invoices.values()] == [7, 1]


def test_a_cancelled_invoice_becomes_cancellations_under_one_key(orders: Orders) -> None:
    """Aim: type, key and time of events. Method: a real cancellation and a real order."""
    invoices = by_invoice(orders.lines)
    cancelled, placed = (invoice_events(invoices[number]) for number in ("C536391", "536365"))

    assert {type(event.payload) for event in cancelled} == {OrderCancelled}
    assert {type(event.payload) for event in placed} == {OrderPlaced}
    assert {event.key for event in placed} == {invoice_key("536365")}
    assert placed[0].timestamp == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def test_each_invoice_has_a_key_of_its_own(orders: Orders) -> None:
    """Aim: keys keep invoices apart. Method: as many keys as invoices."""
    invoices = by_invoice(orders.lines)

    assert len({invoice_key(invoice) for invoice in invoices}) == len(invoices)
