"""The edge to fastavro: Shape -> functions that write and read plain values.

fastavro gets a schema of ours that has the same bytes as the real one: without logical types,
defaults and aliases, which are this room's business, and with each branch of a union wrapped into
a record of one field. A record has the bytes of its fields, so the wrapping costs none, and its
name tells the branch exactly, where fastavro would guess it from the value.
Source: fastavro 1.13, `write_union` (tuple notation) and `return_named_type`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from mainstem.schema.shape import Shape

INSIDE: Final = "v"
"""The one field of the record around a branch."""


def branch_tag(union: Shape, index: int) -> str:
    """The name of a branch between us and fastavro."""
    branch = union.branches[index]
    return "null" if branch.kind == "null" else f"mainstem.union{union.serial}.branch{index}"


def writer(shape: Shape) -> Callable[[Any], bytes]:
    """Writes a plain value that was checked before."""
    schema = driver_schema(shape)

    def write(plain: Any) -> bytes:
        out = io.BytesIO()
        schemaless_writer(out, schema, plain)
        return out.getvalue()

    return write


def reader(shape: Shape) -> Callable[[bytes], Any]:
    """Reads a plain value from bytes that were scanned before."""
    schema = driver_schema(shape)

    def read(data: bytes) -> Any:
        return schemaless_reader(io.BytesIO(data), schema, None, return_named_type=True)

    return read


def driver_schema(shape: Shape) -> Any:
    """The schema for fastavro, parsed once: parsing it anew at each call costs three times more."""
    return parse_schema(described(shape, set()))


def described(shape: Shape, seen: set[str]) -> Any:
    """The schema for fastavro, as it takes it; a name that was seen stands for its type."""
    if shape.kind == "union":
        return [described_branch(shape, index, seen) for index in range(len(shape.branches))]
    if shape.kind == "array":
        return {"type": "array", "items": described(shape.item, seen)}
    if shape.kind == "map":
        return {"type": "map", "values": described(shape.item, seen)}
    if not shape.name:
        return shape.kind
    # With a namespace of ours, a name without dots is not taken for one of the wrapper's.
    name = f"mainstem.types.{shape.name}"
    if name in seen:
        return name
    seen.add(name)
    return {"type": shape.kind, "name": name} | attributes(shape, seen)


def attributes(shape: Shape, seen: set[str]) -> dict[str, Any]:
    """What belongs to a record, enum or fixed besides its name."""
    if shape.kind == "enum":
        return {"symbols": list(shape.symbols)}
    if shape.kind == "fixed":
        return {"size": shape.size}
    fields = [{"name": field.name, "type": described(field.shape, seen)} for field in shape.fields]
    return {"fields": fields}


def described_branch(union: Shape, index: int, seen: set[str]) -> Any:
    """A branch inside the record that names it; null needs none."""
    branch = union.branches[index]
    if branch.kind == "null":
        return "null"
    inside = {"name": INSIDE, "type": described(branch, seen)}
    return {"type": "record", "name": branch_tag(union, index), "fields": [inside]}
