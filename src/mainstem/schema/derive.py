"""Class -> Avro schema: the text that goes to the registry.

The text is the same for the same class, on every machine: fields as declared, no white space.
Docstrings are left out, because a better sentence is no new schema.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from typing import Any

from mainstem.errors import MainstemError, SchemaError
from mainstem.schema.annotations import AnnotationReader, branch_class
from mainstem.schema.declare import type_name
from mainstem.schema.grammar import namespace_of
from mainstem.schema.lower import lowerer
from mainstem.schema.scan import min_bytes
from mainstem.schema.shape import MISSING, Field, Shape, nodes

CLASSES_MAX = 1024
"""Trees that are remembered; a program has fewer event types."""


def avro_schema(cls: type) -> dict[str, Any]:
    """The Avro schema of a declared class; UndeclaredPayload and SchemaError."""
    schema = Emission().schema(shape_of(cls), "")
    assert isinstance(schema, dict)
    return schema


def schema_text(cls: type) -> str:
    """The Avro schema of a declared class as compact JSON."""
    return json.dumps(avro_schema(cls), separators=(",", ":"))


@functools.lru_cache(maxsize=CLASSES_MAX)
def shape_of(cls: type) -> Shape:
    """The tree of a declared class; UndeclaredPayload and SchemaError."""
    name = type_name(cls)
    if not dataclasses.is_dataclass(cls):
        raise SchemaError(
            f"{cls.__qualname__} is declared as event type but is no dataclass",
            hint="put @dataclass(frozen=True, slots=True, kw_only=True) below @event_type",
        )
    shape = AnnotationReader().record(cls, name)
    for node in nodes(shape):
        # Worked out here, so that threads which share the tree only read it.
        min_bytes(node)
    for node in nodes(shape):
        set_defaults(node)
    return shape


def set_defaults(shape: Shape) -> None:
    """Give the fields of a record the defaults of its dataclass."""
    if shape.kind != "record" or shape.python is None:
        return
    declared = {entry.name: entry for entry in dataclasses.fields(shape.python)}
    shape.fields = tuple(
        with_default(shape.python, field, python_default(declared[field.name]))
        for field in shape.fields
    )


def python_default(entry: dataclasses.Field[Any]) -> Any:
    """The default of a dataclass's field; MISSING where it has none that is always the same."""
    if entry.default is not dataclasses.MISSING:
        return entry.default
    # Other factories make something new each time, such as an identity or the time of day.
    return entry.default_factory() if entry.default_factory in (list, tuple, dict) else MISSING


def with_default(cls: type, field: Field, default: Any) -> Field:
    """The field with its default as Avro's JSON; SchemaError where it does not fit."""
    if default is MISSING:
        return field
    if field.shape.kind == "union":
        put_first(field.shape, default)
    try:
        return field._replace(default=default_json(lowerer(field.shape)(default)))
    except MainstemError as error:
        raise SchemaError(f"the default of {cls.__qualname__}.{field.name}: {error}") from error


def put_first(union: Shape, default: Any) -> None:
    """Move the branch of the default to the front, as Avro wants it."""
    union.branches = tuple(
        sorted(union.branches, key=lambda branch: not isinstance(default, branch_class(branch)))
    )


def default_json(plain: Any) -> Any:
    """A lowered value in the manner of Avro's defaults."""
    if isinstance(plain, bytes):
        return plain.decode("latin-1")
    if isinstance(plain, list):
        return [default_json(item) for item in plain]
    if isinstance(plain, dict):
        return {name: default_json(value) for name, value in plain.items()}
    if isinstance(plain, tuple):
        _, wrapped = plain
        return None if wrapped is None else default_json(*wrapped.values())
    if isinstance(plain, float) and not math.isfinite(plain):
        raise SchemaError("a number that JSON cannot hold")
    return plain


def scalar_schema(shape: Shape) -> Any:
    """The JSON of a primitive, with its logical type if it has one."""
    if not shape.logical:
        return shape.kind
    schema = {"type": shape.kind, "logicalType": shape.logical}
    if shape.logical == "decimal":
        return schema | {"precision": shape.precision, "scale": shape.scale}
    return schema


class Emission:
    """Writes one tree as Avro's JSON; a name that was written stands for its type."""

    def __init__(self) -> None:
        """Nothing is written yet."""
        self._written: set[str] = set()

    def schema(self, shape: Shape, namespace: str) -> Any:
        """The JSON of a shape inside `namespace`."""
        if shape.kind == "union":
            return [self.schema(branch, namespace) for branch in shape.branches]
        if shape.items is not None:
            inside = "items" if shape.kind == "array" else "values"
            return {"type": shape.kind, inside: self.schema(shape.items, namespace)}
        if not shape.name:
            return scalar_schema(shape)
        if shape.name in self._written:
            return shape.name
        self._written.add(shape.name)
        return self._named(shape, namespace)

    def _named(self, shape: Shape, namespace: str) -> dict[str, Any]:
        """A record, enum or fixed."""
        own = namespace_of(shape.name)
        schema: dict[str, Any] = {"type": shape.kind, "name": shape.name.rpartition(".")[2]}
        if own != namespace:
            schema["namespace"] = own
        if shape.kind == "enum":
            return schema | {"symbols": list(shape.symbols)}
        if shape.kind == "fixed":
            return schema | {"size": shape.size}
        return schema | {"fields": [self._field(field, own) for field in shape.fields]}

    def _field(self, field: Field, namespace: str) -> dict[str, Any]:
        """A field of a record."""
        schema = {"name": field.name, "type": self.schema(field.shape, namespace)}
        if field.aliases:
            schema["aliases"] = list(field.aliases)
        if field.default is not MISSING:
            schema["default"] = field.default
        return schema
