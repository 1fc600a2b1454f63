"""Hypothesis strategies of payloads."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import strategies as st

from tests.schema.payloads import Address, Card, Everything, Invoice, Status, Tree

TEXTS = st.text(max_size=20)
ADDRESSES = st.builds(Address, street=TEXTS, zip=st.none() | TEXTS)
FLOATS = st.floats(allow_nan=False)
SINGLES = st.floats(allow_nan=False, width=32)
MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("0001-01-02"),
    max_value=datetime.fromisoformat("9999-12-30"),
    timezones=st.just(UTC),
)
INT32S = st.integers(-(2**31), 2**31 - 1)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Every decimal that fits Dec(precision, scale)."""
    largest = 10**precision - 1
    return st.integers(-largest, largest).map(lambda whole: Decimal(f"{whole}e-{scale}"))


def to_millis(moment: datetime) -> datetime:
    """The moment, floored to the millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


EVERYTHING = st.builds(
    Everything,
    flag=st.booleans(),
    small=INT32S,
    large=st.integers(-(2**63), 2**63 - 1),
    single=SINGLES,
    twice=FLOATS,
    text=TEXTS,
    raw=st.binary(max_size=20),
    digest=st.binary(min_size=4, max_size=4),
    identity=st.uuids(),
    total=decimals(12, 2),
    day=st.dates(date(1, 1, 1)),
    moment=MOMENTS.map(to_millis),
    exact_moment=MOMENTS,
    status=st.sampled_from(Status),
    address=ADDRESSES,
    billing=st.none() | ADDRESSES,
    payment=st.none() | st.builds(Card, TEXTS) | st.builds(Invoice, TEXTS),
    amount=st.integers(-(2**63), 2**63 - 1) | TEXTS | decimals(6, 3),
    tags=st.lists(TEXTS, max_size=4),
    path=st.lists(ADDRESSES, max_size=3).map(tuple),
    counts=st.dictionaries(TEXTS, INT32S, max_size=3),
    grid=st.lists(st.lists(FLOATS, max_size=3), max_size=3).map(tuple),
)

TREES = st.recursive(
    st.builds(Tree, value=INT32S),
    lambda inside: st.builds(Tree, value=INT32S, left=st.none() | inside, right=st.none() | inside),
    max_leaves=12,
)
