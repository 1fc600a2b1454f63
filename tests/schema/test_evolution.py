"""Readers and writers of different schemas, against what Java's resolution does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest

from mainstem.errors import DecodeError
from mainstem.schema.compile import decoder, encoder, shape_decoder
from mainstem.schema.declare import Dec, Int32, Micros, event_type
from mainstem.schema.derive import schema_text
from mainstem.schema.lift import lifter
from mainstem.schema.parse import parse_schema
from mainstem.schema.shape import Shape
from tests.schema.payloads import NAMESPACE, Address, Card, Defaults, NoFields
from tests.vectors.load import vectors
from tests.vectors.typed import value_of

PAIRS = vectors("evolution")["pairs"]
CASES = [
    pytest.param(pair, case, id=f"{pair['name']}-{place}")
    for pair in PAIRS
    for place, case in enumerate(pair["cases"])
]
REFUSED_BY_US = {"rename_record_no_alias", "decimal_other_scale", "millis_to_micros"}
"""Java reads these, the first against its own checker, the others with wrong values."""


def pair_decoder(pair: dict[str, Any]) -> tuple[Shape, Callable[[bytes], Any]]:
    """The reader's shape, and the decoder of what the writer wrote."""
    writer, reader = (parse_schema(json.dumps(pair[side])) for side in ("writer", "reader"))
    return reader, shape_decoder(writer, lifter(writer, reader))


@pytest.mark.parametrize(("pair", "case"), CASES)
def test_resolution_gives_what_java_gives(pair: dict[str, Any], case: dict[str, Any]) -> None:
    """Decode the writer's bytes with the reader's schema; raise where Java raises."""
    expected, data = case["expected"], bytes.fromhex(case["avro"])
    is_error = isinstance(expected, dict) and set(expected) == {"error"}

    if is_error or pair["name"] in REFUSED_BY_US:
        with pytest.raises(DecodeError):
            pair_decoder(pair)[1](data)
    else:
        reader, decode = pair_decoder(pair)
        assert decode(data) == value_of(reader, expected, named=False)


@event_type(NAMESPACE, "Order")
@dataclass
class OrderV1:
    """An order, as first released."""

    number: Int32
    dropped: str
    payment: Card
    place: Address


@event_type(NAMESPACE, "Order")
@dataclass
class OrderV2:
    """The same, later: wider, reordered, with new fields, one of them a list."""

    payment: Card | Address | None
    number: float
    place: Address | None = None
    tags: list[str] = field(default_factory=list)


def test_an_older_event_is_read_into_the_class_of_today() -> None:
    """Drop, add, reorder and widen fields, and let a record become a branch of a union."""
    data = encoder(OrderV1)(OrderV1(3, "gone", Card("r"), Address("s", "z")))

    order = decoder(schema_text(OrderV1), OrderV2)(data)

    assert order == OrderV2(Card("r"), 3.0, Address("s", "z"), [])
    assert type(order.number) is float


def test_a_default_is_not_shared_between_events() -> None:
    """Change the list of one decoded event, and decode another."""
    data = encoder(OrderV1)(OrderV1(3, "gone", Card("r"), Address("s")))
    decode = decoder(schema_text(OrderV1), OrderV2)

    decode(data).tags.append("mine")

    assert decode(data).tags == []


def test_every_kind_of_default_is_filled_in() -> None:
    """Read an event that had no field yet; the class's own defaults must come out."""
    assert decoder(schema_text(NoFields), Defaults)(b"") == Defaults()


def changed(annotation: Any, **defaults: Any) -> type:
    """A class `Changed` whose field has this annotation."""
    body = {"__annotations__": {"value": annotation}, "__module__": __name__} | defaults
    return event_type(NAMESPACE, "Changed")(dataclass(type("Changed", (), body)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (str, int),
        (int, Int32),
        (float, int),
        (Micros, datetime),
        (Annotated[Decimal, Dec(6, 2)], Annotated[Decimal, Dec(6, 3)]),
        (Card, Address),
        (list[str], str),
    ],
    ids=str,
)
def test_a_change_that_would_give_wrong_values_is_refused(before: Any, after: Any) -> None:
    """Make a decoder for a pair that cannot be read; the message names the field."""
    with pytest.raises(DecodeError, match=r"field value of .*Changed"):
        decoder(schema_text(changed(before)), changed(after))


def test_a_new_field_without_default_is_refused() -> None:
    """The writer had no such field, and the reader has no value for it."""
    body = {"__annotations__": {"value": int, "more": int}, "__module__": __name__}
    added: type = event_type(NAMESPACE, "Changed")(dataclass(type("Changed", (), body)))

    with pytest.raises(DecodeError, match="was not written and has no default"):
        decoder(schema_text(changed(int)), added)


def test_a_branch_that_is_unknown_today_fails_only_when_met() -> None:
    """Narrow a union: events that hold what remained are still read."""
    wide, narrow = changed(int | str | None), changed(int | None)
    decode, encode = decoder(schema_text(wide), narrow), encoder(wide)

    assert decode(encode(wide(5))).value == 5
    assert decode(encode(wide(None))).value is None
    with pytest.raises(DecodeError, match="branch of a union"):
        decode(encode(wide("text")))
