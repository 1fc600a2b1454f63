"""Schema text -> Shape: strict, bounded, and without a step on names that were not checked.

A text may come from a registry that others write to: it is read like any hostile input.
Source: Avro specification, "Schema Declaration".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mainstem.errors import SchemaError
from mainstem.schema.declare import FIXED_BYTES_MAX, PRECISION_MAX
from mainstem.schema.grammar import (
    PRIMITIVES,
    checked_name,
    checked_namespace,
    full_name,
    namespace_of,
    shown,
)
from mainstem.schema.shape import DEPTH_MAX, MISSING, Field, Shape

TEXT_BYTES_MAX = 262_144
LEVELS_MAX = DEPTH_MAX
"""Of types inside each other, unions counted."""

LOGICAL_TYPES = {
    "date": {"int"},
    "time-millis": {"int"},
    "time-micros": {"long"},
    "timestamp-millis": {"long"},
    "timestamp-micros": {"long"},
    "local-timestamp-millis": {"long"},
    "local-timestamp-micros": {"long"},
    "uuid": {"string"},
    "decimal": {"bytes", "fixed"},
}
"""The logical types that we know, and what they may stand on; all others are ignored."""


def parse_schema(text: str) -> Shape:
    """The tree of a schema text; SchemaError for anything that is no Avro schema."""
    if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise SchemaError(f"a schema text of more than {TEXT_BYTES_MAX} bytes")
    try:
        return Parser().shape(json.loads(text), "", 0)
    except (ValueError, RecursionError) as error:
        raise SchemaError("a schema text is not JSON, or too deep") from error


class Parser:
    """Reads one schema; remembers the names that it defined."""

    def __init__(self) -> None:
        """Know no name yet."""
        self._names: dict[str, Shape] = {}
        self._unions = 0
        self._named: dict[str, Callable[[dict[str, Any], Shape, int], None]] = {
            "record": self._record,
            "error": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
        }

    def shape(self, node: Any, namespace: str, level: int) -> Shape:
        """The shape of a JSON node inside `namespace`."""
        if level > LEVELS_MAX:
            raise SchemaError(f"a schema of more than {LEVELS_MAX} levels")
        if isinstance(node, str):
            return self._reference(node, namespace)
        if isinstance(node, list):
            return self._union(node, namespace, level)
        if not isinstance(node, dict) or "type" not in node:
            raise SchemaError("a schema holds a type that is no name, list, or object with `type`")
        return self._object(node, namespace, level)

    def _reference(self, name: str, namespace: str) -> Shape:
        """A primitive, or a type that was defined before."""
        if name in PRIMITIVES:
            return Shape(name)
        known = self._names.get(full_name(name, namespace, "type"))
        if known is None:
            raise SchemaError(f"type {shown(name)} is used but not defined")
        return known

    def _union(self, nodes: list[Any], namespace: str, level: int) -> Shape:
        """A union: no union inside it, and no two branches of one name."""
        self._unions += 1
        serial = self._unions
        branches = tuple(self.shape(node, namespace, level + 1) for node in nodes)
        names = [branch.branch_name for branch in branches]
        if not names or "union" in names or len(set(names)) < len(names):
            raise SchemaError(
                "a union must have branches, none of them a union, and none of them twice"
            )
        return Shape("union", branches=branches, serial=serial)

    def _object(self, node: dict[str, Any], namespace: str, level: int) -> Shape:
        """A type with attributes."""
        kind = node["type"]
        if not isinstance(kind, str):
            # {"type": {"type": …}}: an object that only wraps another.
            return self.shape(kind, namespace, level + 1)
        if kind in self._named:
            return self._defined(node, namespace, level)
        if kind in {"array", "map"}:
            inside = node.get("items" if kind == "array" else "values")
            return Shape(kind, items=self.shape(inside, namespace, level + 1))
        if kind not in PRIMITIVES:
            return self._reference(kind, namespace)
        return with_logical(Shape(kind), node)

    def _defined(self, node: dict[str, Any], namespace: str, level: int) -> Shape:
        """A record, enum or fixed, known by its name from here on, inside itself too."""
        kind = "record" if node["type"] == "error" else node["type"]
        own = node.get("namespace")
        if own is not None and own != "":
            namespace = checked_namespace(own, kind)
        elif own == "":
            namespace = ""
        name = full_name(node.get("name"), namespace, kind)
        if name in self._names or name in PRIMITIVES:
            raise SchemaError(f"type {shown(name)} is defined twice")
        shape = Shape(kind, name=name, aliases=aliases_of(node, namespace_of(name)))
        self._names[name] = shape
        self._named[node["type"]](node, shape, level)
        return shape

    def _record(self, node: dict[str, Any], shape: Shape, level: int) -> None:
        """The fields of a record."""
        nodes = node.get("fields")
        if not isinstance(nodes, list) or not all(isinstance(entry, dict) for entry in nodes):
            raise SchemaError(f"record {shown(shape.name)} has no list of fields")
        shape.fields = tuple(self._field(entry, shape, level) for entry in nodes)
        names = {field.name for field in shape.fields}
        if len(names) < len(shape.fields):
            raise SchemaError(f"record {shown(shape.name)} has two fields of one name")

    def _field(self, node: dict[str, Any], record: Shape, level: int) -> Field:
        """One field of a record."""
        name = checked_name(node.get("name"), f"record {shown(record.name)}: field")
        if "type" not in node:
            raise SchemaError(f"field {name} of {shown(record.name)} has no type")
        shape = self.shape(node["type"], namespace_of(record.name), level + 1)
        return Field(name, shape, node.get("default", MISSING), aliases_of(node, ""))

    def _enum(self, node: dict[str, Any], shape: Shape, _level: int) -> None:
        """The symbols of an enum."""
        symbols = node.get("symbols")
        if not isinstance(symbols, list) or not symbols:
            raise SchemaError(f"enum {shown(shape.name)} has no list of symbols")
        what = f"enum {shown(shape.name)}: symbol"
        shape.symbols = tuple(checked_name(symbol, what) for symbol in symbols)
        if len(set(shape.symbols)) < len(shape.symbols):
            raise SchemaError(f"enum {shown(shape.name)} has a symbol twice")
        if node.get("default") in shape.symbols:
            shape.default = node["default"]

    def _fixed(self, node: dict[str, Any], shape: Shape, _level: int) -> None:
        """The size of a fixed."""
        size = node.get("size")
        if type(size) is not int or not 0 <= size <= FIXED_BYTES_MAX:
            raise SchemaError(f"fixed {shown(shape.name)} has no size up to {FIXED_BYTES_MAX}")
        shape.size = size
        with_logical(shape, node)


def with_logical(shape: Shape, node: dict[str, Any]) -> Shape:
    """The shape with its logical type, if it is one that we know and is legal there."""
    logical = node.get("logicalType")
    if not isinstance(logical, str) or shape.kind not in LOGICAL_TYPES.get(logical, ()):
        return shape
    if logical == "decimal":
        precision, scale = node.get("precision"), node.get("scale", 0)
        if type(precision) is not int or type(scale) is not int:
            return shape
        if not 1 <= precision <= PRECISION_MAX or not 0 <= scale <= precision:
            return shape
        shape.precision, shape.scale = precision, scale
    shape.logical = logical
    return shape


def aliases_of(node: dict[str, Any], namespace: str) -> tuple[str, ...]:
    """The former names of a type or field."""
    aliases = node.get("aliases", [])
    if not isinstance(aliases, list):
        raise SchemaError("aliases must be a list of names")
    return tuple(full_name(alias, namespace, "alias") for alias in aliases)
