"""The codec: what is encoded comes back, and what does not fit is refused by name."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mainstem.errors import DecodeError, NaiveDatetime, SchemaError, ValueOutOfRange
from mainstem.event import GenericPayload
from mainstem.schema.compile import decoder, encoder
from mainstem.schema.declare import Dec, Float32, Int32, event_type
from mainstem.schema.derive import schema_text
from tests.schema.payloads import NAMESPACE, Card, Everything, Invoice, Tree
from tests.schema.strategies import EVERYTHING, TREES

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def round_trip(payload: Any) -> Any:
    """Encode by the class, decode by its schema."""
    cls = type(payload)
    return decoder(schema_text(cls), cls)(encoder(cls)(payload))


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers that can be too large."""

    small: Int32 = 0
    large: int = 0
    single: Float32 = 0.0
    twice: float = 0.0
    price: Annotated[Decimal, Dec(5, 2)] = Decimal(0)


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True)
class Moments:
    """Times that can be wrong."""

    moment: datetime | None = None
    day: date | None = None


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True)
class Loose:
    """Fields that can hold what they should not."""

    text: str = ""
    number: int = 0
    payment: Card | Invoice | None = None
    items: list[str] = dataclasses.field(default_factory=list)


@settings(max_examples=200)
@given(EVERYTHING)
def test_every_type_comes_back_equal(payload: Everything) -> None:
    """Property: decode(encode(x)) == x, with the classes of everything inside."""
    again = round_trip(payload)

    assert again == payload
    assert type(again.payment) is type(payload.payment)
    assert type(again.amount) is type(payload.amount)


@given(TREES)
def test_a_record_inside_itself_comes_back_equal(tree: Tree) -> None:
    """Property: decode(encode(x)) == x for a recursive class."""
    assert round_trip(tree) == tree


@pytest.mark.parametrize("cls", [Card, Invoice])
def test_records_of_the_same_shape_keep_their_class(cls: type[Card | Invoice]) -> None:
    """Put each of two same-shaped records into a union and read it back."""
    payment: Any = round_trip(Loose(payment=cls("r"))).payment

    assert payment == cls("r")
    assert type(payment) is cls


def test_without_a_class_the_payload_is_generic() -> None:
    """Decode by the schema alone: names, fields, and logical types as Python's."""
    payload = Loose("x", 5, Card("r"), ["a"])

    generic = decoder(schema_text(Loose), None)(encoder(Loose)(payload))

    assert generic == GenericPayload(
        f"{NAMESPACE}.Loose",
        {"text": "x", "number": 5, "payment": {"reference": "r"}, "items": ["a"]},
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("small", 2**31),
        ("small", -(2**31) - 1),
        ("small", True),
        ("large", 2**63),
        ("large", 1.5),
        ("single", 3.5e38),
        ("single", "1"),
        ("twice", 10**400),
        ("twice", 2**53 + 1),
        ("price", Decimal("1000.00")),
        ("price", Decimal("0.001")),
        ("price", Decimal("1E+999999")),
        ("price", Decimal("1E-999999")),
        ("price", Decimal("1." + "0" * 3000 + "1")),
        ("price", Decimal("NaN")),
        ("price", Decimal("-Infinity")),
        ("price", 1.0),
    ],
)
def test_a_number_that_does_not_fit_is_refused(field: str, value: Any) -> None:
    """Encode one bad number; the message names class and field, and not the value."""
    payload = dataclasses.replace(Numbers(), **{field: value})

    with pytest.raises(ValueOutOfRange) as caught:
        encoder(Numbers)(payload)

    assert f"field {field} of {NAMESPACE}.Numbers" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("small", -(2**31)),
        ("single", 3.4028234663852886e38),
        ("single", -math.inf),
        ("twice", 7),
        ("price", Decimal("-999.99")),
        ("price", Decimal("1.5000")),
        ("price", Decimal("5E+1")),
        ("price", Decimal("-1.28")),
        ("price", Decimal("0E+9999")),
    ],
)
def test_a_number_at_the_edge_comes_back(field: str, value: Any) -> None:
    """Encode a number that just fits, and compare."""
    assert getattr(round_trip(dataclasses.replace(Numbers(), **{field: value})), field) == value


def test_nan_comes_back() -> None:
    """NaN equals nothing, so it is asked for."""
    assert math.isnan(round_trip(Numbers(twice=math.nan)).twice)


def test_a_datetime_without_time_zone_is_refused() -> None:
    """Encode a naive datetime."""
    with pytest.raises(NaiveDatetime, match=r"field moment of .*Moments"):
        encoder(Moments)(Moments(datetime.fromisoformat("2026-01-01")))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    ],
)
def test_a_moment_that_has_no_year_in_utc_is_refused(moment: datetime) -> None:
    """The ends of the calendar, in other time zones: no reader could make a datetime of them."""
    with pytest.raises(ValueOutOfRange, match=r"field moment of .*Moments"):
        encoder(Moments)(Moments(moment=moment))


@pytest.mark.parametrize("moment", [FIRST, LAST])
def test_the_first_and_the_last_moment_come_back(moment: datetime) -> None:
    """The ends of the calendar in UTC."""
    payload = Moments(moment=moment)

    assert round_trip(payload) == payload


def test_a_datetime_is_no_date() -> None:
    """Encode a datetime where a date belongs, which Python's classes would allow."""
    with pytest.raises(ValueOutOfRange, match="field day"):
        encoder(Moments)(Moments(None, datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_datetime_is_floored_to_the_millisecond() -> None:
    """Encode microseconds, before 1970 and in another time zone."""
    moment = datetime(1969, 12, 31, 23, 59, 59, 999999, timezone(timedelta(hours=2)))

    again = round_trip(Moments(moment)).moment

    assert again == datetime(1969, 12, 31, 21, 59, 59, 999000, UTC)


@pytest.mark.parametrize(
    "payload",
    [
        Loose(text=5),  # type: ignore[arg-type] # wrong on purpose
        Loose(text="\ud800"),
        Loose(number=None),  # type: ignore[arg-type] # wrong on purpose
        Loose(payment="r"),  # type: ignore[arg-type] # wrong on purpose
        Loose(items="abc"),  # type: ignore[arg-type] # wrong on purpose
        Loose(items=[1]),  # type: ignore[list-item] # wrong on purpose
        Card("of another class"),
    ],
    ids=range(7),
)
def test_a_value_of_another_type_is_refused(payload: Any) -> None:
    """Encode values that the annotations forbid but Python lets through."""
    with pytest.raises(ValueOutOfRange):
        encoder(Loose)(payload)


@pytest.mark.parametrize("depth", [100, 500, 5000])
def test_a_value_too_deep_is_refused(depth: int) -> None:
    """Encode a chain of records, as deep as would kill the driver's process when read back."""
    tree = Tree(value=0)
    for value in range(depth):
        tree = Tree(value=value % 100, left=tree)

    with pytest.raises(ValueOutOfRange):
        encoder(Tree)(tree)


def test_a_value_of_64_levels_comes_back() -> None:
    """Encode a chain of as many records as are allowed."""
    tree = Tree(value=0)
    for value in range(63):
        tree = Tree(value=value, left=tree)

    # Compared as text: comparing dataclasses recursively is Python's business.
    assert repr(round_trip(tree)) == repr(tree)


@example(b"")
@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_a_decode_error(data: bytes) -> None:
    """Property: decoding random bytes raises nothing but DecodeError."""
    for cls in (Everything, Tree, Numbers, Moments, Loose):
        for reader in (cls, None):
            try:
                decoder(schema_text(cls), reader)(data)
            except DecodeError:
                continue


def test_bytes_left_over_are_refused() -> None:
    """Append a byte, and cut one off."""
    data = encoder(Loose)(Loose("x", 5))
    decode = decoder(schema_text(Loose), Loose)

    with pytest.raises(DecodeError, match="ends at byte"):
        decode(data + b"\0")
    with pytest.raises(DecodeError):
        decode(data[:-1])


def test_a_class_that_refuses_its_own_values_is_a_decode_error() -> None:
    """Decode into a dataclass whose __post_init__ raises."""

    @event_type(NAMESPACE, "Loose")
    @dataclass
    class Strict:
        text: str

        def __post_init__(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(DecodeError, match="ZeroDivisionError"):
        decoder(schema_text(Loose), Strict)(encoder(Loose)(Loose()))


def test_a_schema_of_no_record_is_refused() -> None:
    """Ask for a decoder of a bare long."""
    with pytest.raises(SchemaError, match="must be a record"):
        decoder('"long"', None)
