"""Schemas of classes: the right text, and refusals that name class and field."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any, NewType
from uuid import UUID, uuid4

import fastavro
import pytest

from mainstem.errors import SchemaError, UndeclaredPayload
from mainstem.schema.declare import Dec, Fixed, Float32, Int32, Micros, event_type, type_name
from mainstem.schema.derive import avro_schema, schema_text
from mainstem.schema.parse import parse_schema
from tests.schema.payloads import NAMESPACE, Address, Card, Defaults, Everything, Tree

OrderId = NewType("OrderId", UUID)


def declared(**annotations: Any) -> type:
    """A declared class with these fields."""
    body = {"__annotations__": annotations, "__module__": __name__}
    return event_type(NAMESPACE)(dataclass(type("Made", (), body)))


def field_type(annotation: Any) -> Any:
    """The Avro type of a field with this annotation."""
    return avro_schema(declared(it=annotation))["fields"][0]["type"]


def decimal(precision: int, scale: int) -> dict[str, Any]:
    """Avro's decimal."""
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


EVERY_FIELD: list[dict[str, Any]] = [
    {"name": "flag", "type": "boolean"},
    {"name": "small", "type": "int"},
    {"name": "large", "type": "long"},
    {"name": "single", "type": "float"},
    {"name": "twice", "type": "double"},
    {"name": "text", "type": "string"},
    {"name": "raw", "type": "bytes"},
    {"name": "digest", "type": {"type": "fixed", "name": "Fixed4", "size": 4}},
    {"name": "identity", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "total", "type": decimal(12, 2)},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "exact_moment", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {
        "name": "status",
        "type": {"type": "enum", "name": "Status", "symbols": ["NEW", "PAID"]},
    },
    {
        "name": "address",
        "type": {
            "type": "record",
            "name": "Address",
            "fields": [
                {"name": "street", "type": "string"},
                {"name": "zip", "type": ["null", "string"], "default": None},
            ],
        },
    },
    {"name": "billing", "type": ["null", f"{NAMESPACE}.Address"]},
    {
        "name": "payment",
        "type": [
            "null",
            {
                "type": "record",
                "name": "Card",
                "namespace": "com.example.payment",
                "fields": [{"name": "reference", "type": "string"}],
            },
            {
                "type": "record",
                "name": "Invoice",
                "fields": [{"name": "reference", "type": "string"}],
            },
        ],
    },
    {"name": "amount", "type": ["long", "string", decimal(6, 3)]},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "path", "type": {"type": "array", "items": f"{NAMESPACE}.Address"}},
    {"name": "counts", "type": {"type": "map", "values": "int"}},
    {
        "name": "grid",
        "type": {"type": "array", "items": {"type": "array", "items": "double"}},
    },
]
"""Written by hand."""


def test_the_schema_of_every_type_is_as_documented() -> None:
    """Compare with a schema written by hand."""
    assert avro_schema(Everything) == {
        "type": "record",
        "name": "Everything",
        "namespace": NAMESPACE,
        "fields": EVERY_FIELD,
    }


def test_defaults_are_written_as_avro_wants_them() -> None:
    """Compare each default; a union's branch comes first, bytes are text of code points."""
    fields = {entry["name"]: entry for entry in avro_schema(Defaults)["fields"]}
    defaults = {name: entry["default"] for name, entry in fields.items()}

    assert defaults == {
        "flag": True,
        "number": -7,
        "text": "défaut",
        "raw": "\u0000\u00ff",
        "status": "PAID",
        "day": 20000,
        "price": "\u0001",
        "note": None,
        "hint": "first",
        "tags": [],
        "places": ["x", "y"],
        "counts": {},
        "address": {"street": "Main Street", "zip": None},
    }
    assert fields["note"]["type"] == ["null", "string"]
    assert fields["hint"]["type"] == ["string", "null"]


@pytest.mark.parametrize("cls", [Everything, Tree, Defaults, Card])
def test_the_schema_is_one_for_others_too(cls: type) -> None:
    """Parse the text by our parser and by fastavro; deriving it twice gives the same text."""
    text = schema_text(cls)

    assert parse_schema(text).name == type_name(cls)
    assert fastavro.parse_schema(json.loads(text))
    assert schema_text(cls) == text


def test_a_factory_that_makes_new_values_is_no_default() -> None:
    """Avro's defaults are constants, so a random identity cannot be one."""

    @event_type(NAMESPACE)
    @dataclass
    class Identified:
        identity: UUID = field(default_factory=uuid4)

    assert "default" not in avro_schema(Identified)["fields"][0]


@pytest.mark.parametrize(
    ("annotation", "avro"),
    [
        (OrderId, {"type": "string", "logicalType": "uuid"}),
        (Annotated[int, "a marker of others"], "long"),
        (Annotated[Int32, "a marker of others"], "int"),
        (Annotated[float, Float32], "float"),
        (Annotated[datetime, Micros], {"type": "long", "logicalType": "timestamp-micros"}),
        (str | None, ["null", "string"]),
        (None | str, ["null", "string"]),
        (list[Int32 | None], {"type": "array", "items": ["null", "int"]}),
    ],
)
def test_annotations_are_seen_through(annotation: Any, avro: Any) -> None:
    """NewType, foreign markers, and None in either place."""
    assert field_type(annotation) == avro


class Colliding(enum.Enum):
    """An enum that is called as a class is."""

    ONLY = 1


Colliding.__name__ = "Address"


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Decimal, r"needs Annotated\[Decimal, Dec"),
        (time, "no Avro type for time"),
        (complex, "no Avro type for complex"),
        (Any, "no Avro type"),
        (object, "no Avro type for object"),
        (list, "no Avro type for list"),
        (set[str], "no Avro type"),
        (dict[int, str], "keys of a map must be str"),
        (tuple[int, str], "tuple of fixed length"),
        (Callable[[], None], "no Avro type"),
        (Annotated[str, Dec(3, 1)], "Dec marks a Decimal"),
        (Annotated[str, Fixed(3)], "Fixed marks bytes"),
        (Int32 | int, "cannot tell apart"),
        (bytes | Annotated[bytes, Fixed(3)], "cannot tell apart"),
        (list[int] | tuple[str, ...], "cannot tell apart"),
        (Annotated[bytes, Fixed(3, "not a name")], "is not an Avro name"),
    ],
    ids=str,
)
def test_a_type_without_avro_is_refused_by_field(annotation: Any, reason: str) -> None:
    """Derive the schema of a class with one such field; the message names class and field."""
    with pytest.raises(SchemaError, match=reason) as caught:
        avro_schema(declared(it=annotation))

    assert "Made.it" in caught.value.message or "not an Avro name" in caught.value.message


@pytest.mark.parametrize("name", ["größe", "__класс", "ø"])
def test_a_field_that_avro_cannot_name_is_refused(name: str) -> None:
    """Python allows identifiers that Avro does not."""
    with pytest.raises(SchemaError, match="is not an Avro name"):
        avro_schema(declared(**{name: int}))


@pytest.mark.parametrize("namespace", ["", "a..b", "a.b.", "1a", "a b", "a');import os", "ä"])
def test_a_namespace_outside_the_grammar_is_refused(namespace: str) -> None:
    """Declare with names that could become something else where they are used."""
    with pytest.raises(SchemaError, match="not an Avro name"):
        event_type(namespace)


def test_two_classes_of_one_name_are_refused() -> None:
    """Nest a class and an enum that are called the same."""
    with pytest.raises(SchemaError, match="two classes are both called"):
        avro_schema(declared(first=Address, second=Colliding))


def test_a_subclass_is_not_declared_with_its_parent() -> None:
    """Derive from a declared class."""

    class Derived(Card):
        """Another class."""

    with pytest.raises(UndeclaredPayload, match="Derived"):
        type_name(Derived)


def test_a_declared_class_that_is_no_dataclass_is_refused() -> None:
    """Declare a plain class."""

    @event_type(NAMESPACE)
    class Bare:
        """Has no fields that could be told."""

    with pytest.raises(SchemaError, match="no dataclass"):
        avro_schema(Bare)


def test_a_record_that_cannot_end_is_refused() -> None:
    """A class that contains itself without a way out."""

    @event_type(NAMESPACE)
    @dataclass
    class Endless:
        inside: Endless

    with pytest.raises(SchemaError, match="without a way to end"):
        avro_schema(Endless)


def test_a_default_of_the_wrong_type_is_refused() -> None:
    """A default that its own annotation cannot hold."""

    @event_type(NAMESPACE)
    @dataclass
    class Wrong:
        number: Int32 = 2**40

    with pytest.raises(SchemaError, match=r"default of .*Wrong\.number"):
        avro_schema(Wrong)


def test_a_field_that_init_does_not_take_is_refused() -> None:
    """A computed field could not be given back when decoding."""

    @event_type(NAMESPACE)
    @dataclass
    class Computed:
        total: int = field(init=False, default=0)

    with pytest.raises(SchemaError, match="init=False"):
        avro_schema(Computed)


@pytest.mark.parametrize(("precision", "scale"), [(0, 0), (5, 6), (5, -1), (1001, 0)])
def test_a_decimal_that_cannot_be_is_refused(precision: int, scale: int) -> None:
    """Digits that Avro does not know."""
    with pytest.raises(SchemaError, match="no decimal type"):
        Dec(precision, scale)
