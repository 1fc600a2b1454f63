"""Columns and buffers: schemas that meet or do not, and values against pyarrow's own reading."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import nanoarrow
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import SchemaError
from mainstem.event import EPOCH
from mainstem.postgres.reading.arrow import array_of, type_schema
from mainstem.postgres.reading.buffers import filled
from mainstem.postgres.reading.columns import (
    BINARY,
    INT64,
    LOGICAL,
    METADATA,
    PLAIN,
    STRING,
    ArrowType,
    Column,
    payload_columns,
)
from mainstem.schema.parse import parse_schema
from mainstem.schema.shape import Shape

DECIMAL = ArrowType("decimal", precision=38, scale=3)
INT32 = PLAIN["int"]
LIST = ArrowType("list", children=(Column("value", INT32),))
DEEP = ArrowType("list", children=(Column("value", METADATA),))
STRUCT = ArrowType("struct", children=(Column("a", LIST), Column("b", STRING)))

DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
MOMENTS = st.integers(-(10**16), 10**16).map(lambda us: EPOCH + timedelta(microseconds=us))
VALUES: list[tuple[ArrowType, st.SearchStrategy[Any]]] = [
    (PLAIN["boolean"], st.booleans()),
    (INT32, st.integers(-(2**31), 2**31 - 1)),
    (INT64, st.integers(-(2**63), 2**63 - 1)),
    (PLAIN["double"], st.floats(allow_nan=False)),
    (PLAIN["float"], st.floats(width=32, allow_nan=False)),
    (STRING, st.text(st.characters(codec="utf-8"))),
    (BINARY, st.binary()),
    (ArrowType("fixed", size=4), st.binary(min_size=4, max_size=4)),
    (
        DECIMAL,
        st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-3")),
    ),
    (LOGICAL["date"], DATES),
    (LOGICAL["time-micros"], st.times()),
    (LOGICAL["timestamp-micros"], MOMENTS),
    (LIST, st.lists(st.none() | st.integers(-5, 5))),
    (METADATA, st.dictionaries(st.text(st.characters(codec="utf-8")), st.none() | st.binary())),
    (DEEP, st.lists(st.none() | st.dictionaries(st.text("ab"), st.binary()))),
    (
        STRUCT,
        st.fixed_dictionaries({}, optional={"a": st.lists(st.integers(0, 9)), "b": st.text("xy")}),
    ),
]


def record(name: str, *fields: tuple[str, Any]) -> Shape:
    """A record of these fields."""
    listed = [{"name": field, "type": type_} for field, type_ in fields]
    return parse_schema(json.dumps({"type": "record", "name": name, "fields": listed}))


def arrow_array(type_: ArrowType, values: list[Any]) -> pa.Array:
    """The array as pyarrow takes it over."""
    return pa.array(array_of(nanoarrow.c_schema(type_schema(type_)), filled(type_, values)))


def as_arrow_has_it(type_: ArrowType, value: Any) -> Any:
    """The value as pyarrow gives it back: maps as pairs, structs with all of their fields."""
    if value is None:
        return None
    inner = type_.children[0].type if type_.kind in {"list", "map"} else None
    if type_.kind == "map" and inner is not None:
        return [(key, as_arrow_has_it(inner, entry)) for key, entry in value.items()]
    if inner is not None:
        return [as_arrow_has_it(inner, entry) for entry in value]
    if type_.kind == "struct":
        return {column.name: value.get(column.name) for column in type_.children}
    return value


@pytest.mark.parametrize(("type_", "values"), VALUES, ids=[str(n) for n in range(len(VALUES))])
@given(data=st.data())
def test_what_is_filled_is_what_arrow_reads(
    type_: ArrowType, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    """Aim: any values, with and without nulls. Method: pyarrow validates and reads the array."""
    some = data.draw(st.lists(st.none() | values, max_size=20))
    array = arrow_array(type_, some)
    array.validate(full=True)

    assert array.to_pylist() == [as_arrow_has_it(type_, value) for value in some]


def test_the_extremes_of_time_fit() -> None:
    """Aim: the first and last that Python knows. Method: pyarrow's integers behind them."""
    moments = [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    type_ = LOGICAL["timestamp-micros"]
    array = arrow_array(type_, moments)
    times = filled(LOGICAL["time-micros"], [time.min, time.max]).buffers[1]

    assert array.cast(pa.int64()).to_pylist() == [-62135596800000000, 253402300799999999]
    assert list(times or ()) == [0, 86_399_999_999]


def test_fields_of_one_name_become_the_type_that_holds_both() -> None:
    """Aim: versions of a type meet. Method: widened numbers, null, a record that grew."""
    inner = {"type": "record", "name": "I", "fields": [{"name": "x", "type": "int"}]}
    grown = {
        "type": "record",
        "name": "I",
        "fields": [{"name": "x", "type": ["null", "long"]}, {"name": "y", "type": "string"}],
    }
    older = record("a.A", ("n", "int"), ("f", "float"), ("gone", "string"), ("r", inner))
    newer = record("a.A", ("n", "long"), ("f", "double"), ("new", "bytes"), ("r", grown))
    columns = {column.name: column.type for column in payload_columns([older, newer])}

    assert columns["n"] == INT64
    assert columns["f"].kind == "double"
    assert columns["gone"] == STRING
    assert columns["new"] == BINARY
    assert columns["r"].children == (Column("x", INT64), Column("y", STRING))
    assert payload_columns([newer, older])[0].type == INT64


@pytest.mark.parametrize(
    ("type_", "told"),
    [
        (["int", "string"], "int, string"),
        ({"type": "record", "name": "Empty", "fields": []}, "without fields"),
        (
            {
                "type": "record",
                "name": "Tree",
                "fields": [{"name": "up", "type": ["null", "Tree"]}],
            },
            "itself",
        ),
    ],
)
def test_what_no_column_can_hold_is_named(type_: Any, told: str) -> None:
    """Aim: the field's path and the reason. Method: an open union, an empty record, a tree."""
    with pytest.raises(SchemaError, match=rf"a\.A\.field.*{told}"):
        payload_columns([record("a.A", ("field", type_))])


def test_a_decimal_that_is_too_wide_becomes_text() -> None:
    """Aim: nothing is lost. Method: 39 digits."""
    wide = {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 0}
    (column,) = payload_columns([record("a.A", ("d", wide))])

    assert column.type == STRING
