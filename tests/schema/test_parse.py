"""Schema texts of others: read if they are Avro, refused by SchemaError if they are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import SchemaError
from mainstem.schema.compile import decoder
from mainstem.schema.parse import TEXT_BYTES_MAX, parse_schema


def record(*types: Any, **more: Any) -> str:
    """The text of a record with fields of these types."""
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(types)]
    return json.dumps({"type": "record", "name": "R", "fields": fields} | more)


def nested(levels: int) -> Any:
    """Arrays inside each other."""
    schema: Any = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


ENUM = {"type": "enum", "name": "E", "symbols": ["A"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "null",
        "[]",
        "{}",
        '"record"',
        '"Unknown"',
        "[" * 100_000,
        '{"type": ' * 5000 + '"int"' + "}" * 5000,
        record(nested(100)),
        record("no.such.Type"),
        record([]),
        record(["int", "int"]),
        record(["int", ["null", "string"]]),
        record({"type": "array"}),
        record({"type": "map", "values": 5}),
        record({"type": "enum", "name": "E", "symbols": []}),
        record({"type": "enum", "name": "E", "symbols": ["A", "A"]}),
        record({"type": "enum", "name": "E", "symbols": ["a');print('pwn"]}),
        record({"type": "fixed", "name": "F", "size": -1}),
        record({"type": "fixed", "name": "F", "size": True}),
        record({"type": "fixed", "name": "F", "size": 10**12}),
        record({"type": "fixed", "size": 2}),
        record(FIXED, FIXED),
        record({"type": "record", "name": "R", "fields": []}),
        record("int", name="a');print('pwn"),
        record("int", name="int"),
        record("int", namespace="a..b"),
        record("int", namespace=5),
        record("int", aliases="x"),
        record("int", aliases=[5]),
        record("int", fields=5),
        record("int", fields=[5]),
        record("int", fields=[{"name": "a"}]),
        record("int", fields=[{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]),
        record("int", fields=[{"name": "a');print('pwn", "type": "int"}]),
        record("R"),
        record("int", doc="x" * TEXT_BYTES_MAX),
    ],
    ids=range(39),
)
def test_a_text_that_is_no_schema_is_refused(text: str) -> None:
    """Parse it; what can only be seen when used, such as endless records, is seen then."""
    with pytest.raises(SchemaError):
        decoder(text, None)


@pytest.mark.parametrize(
    "text",
    [
        record(),
        record("int", {"type": "string"}, {"type": {"type": "long"}}),
        record(ENUM, "E", ["null", "E"]),
        record(FIXED, {"type": "F"}, namespace="a.b"),
        record({"type": "error", "name": "Wrong", "fields": []}),
        record({"type": "string", "logicalType": "unheard-of"}),
        record({"type": "bytes", "logicalType": "decimal"}),
        record({"type": "bytes", "logicalType": "decimal", "precision": 10**9}),
        record({"type": "int", "logicalType": ["date"]}),
        record({"type": "int", "logicalType": "uuid"}),
        record({"type": "string", "avro.java.string": "String"}),
        record("int", name="a.b.R", namespace="ignored"),
        record(["null", "R"]),
        record("int", doc="größer", anything={"else": [1]}),
    ],
    ids=range(14),
)
def test_what_avro_allows_is_read(text: str) -> None:
    """Parse it, and make a decoder of it."""
    assert callable(decoder(text, None))


def test_names_are_resolved_as_avro_does() -> None:
    """A name without dots belongs to the namespace around it; the outer one is inherited."""
    inner = {"type": "record", "name": "I", "namespace": "c", "fields": [
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
    ]}  # fmt: skip
    shape = parse_schema(record(inner, "c.E", FIXED, "F", "a.b.F", name="R", namespace="a.b"))

    assert [field.shape.name for field in shape.fields] == ["c.I", "c.E", "a.b.F", "a.b.F", "a.b.F"]


PROPERTIES = [
    *("type", "name", "fields", "items", "values", "symbols", "size"),
    *("namespace", "aliases", "default", "logicalType", "precision", "scale"),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["record", "enum", "fixed", "array", "map", "int", "R", "a.b", "", "decimal"])
    | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.sampled_from(PROPERTIES), inside, max_size=6)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_schema_or_refused(document: Any) -> None:
    """Property: a decoder of random JSON is made, or SchemaError raised."""
    try:
        decoder(json.dumps(document), None)
    except SchemaError:
        return


@given(st.text(max_size=50))
def test_any_text_is_a_schema_or_refused(text: str) -> None:
    """Property: as above, of random text."""
    try:
        decoder(text, None)
    except SchemaError:
        return
