"""Defaults in a schema text (JSON) -> plain values, as the driver would have read them.

Source: Avro specification, table "field default values"; a union's default is one of its branches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mainstem.errors import SchemaError
from mainstem.schema.driver import INSIDE, branch_tag
from mainstem.schema.shape import MISSING, Shape

DEPTH_LEFT = 64


def plain_default(shape: Shape, default: Any, depth_left: int = DEPTH_LEFT) -> Any:
    """The plain value of a default; SchemaError where it does not fit the type."""
    if depth_left == 0:
        raise SchemaError("a default of too many levels")
    make = CONTAINERS.get(shape.kind)
    if make is not None:
        return make(shape, default, depth_left - 1)
    return plain_scalar(shape, default)


def plain_scalar(shape: Shape, default: Any) -> Any:
    """The plain value of a default without anything inside it."""
    if shape.kind in {"bytes", "fixed"} and isinstance(default, str):
        return latin_1(shape, default)
    if shape.kind in {"float", "double"} and type(default) in (int, float):
        return float(default)
    accepted = ACCEPTED.get(shape.kind)
    if type(default) is not accepted:
        raise unfit(shape)
    if shape.kind == "enum" and default not in shape.symbols:
        raise unfit(shape)
    return default


def latin_1(shape: Shape, default: str) -> bytes:
    """Bytes, written as text of the same code points."""
    try:
        data = default.encode("latin-1")
    except UnicodeEncodeError:
        raise unfit(shape) from None
    if shape.kind == "fixed" and len(data) != shape.size:
        raise unfit(shape)
    return data


def plain_union(shape: Shape, default: Any, depth_left: int) -> Any:
    """The first branch that the default fits; Avro says the very first, older texts do not."""
    for index, branch in enumerate(shape.branches):
        try:
            plain = plain_default(branch, default, depth_left)
        except SchemaError:
            continue
        return None if branch.kind == "null" else (branch_tag(shape, index), {INSIDE: plain})
    raise unfit(shape)


def plain_record(shape: Shape, default: Any, depth_left: int) -> dict[str, Any]:
    """A record whose own fields may have defaults too."""
    if not isinstance(default, dict):
        raise unfit(shape)
    plain = {}
    for field in shape.fields:
        value = default.get(field.name, field.default)
        if value is MISSING:
            raise unfit(shape)
        plain[field.name] = plain_default(field.shape, value, depth_left)
    return plain


def plain_array(shape: Shape, default: Any, depth_left: int) -> list[Any]:
    """A list."""
    if not isinstance(default, list):
        raise unfit(shape)
    return [plain_default(shape.item, item, depth_left) for item in default]


def plain_map(shape: Shape, default: Any, depth_left: int) -> dict[str, Any]:
    """A dict."""
    if not isinstance(default, dict):
        raise unfit(shape)
    return {key: plain_default(shape.item, item, depth_left) for key, item in default.items()}


def unfit(shape: Shape) -> SchemaError:
    """The error for a default that is not of its type."""
    return SchemaError(f"a default that is no {shape.branch_name}")


ACCEPTED: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    "int": int,
    "long": int,
    "string": str,
    "enum": str,
}
CONTAINERS: dict[str, Callable[[Shape, Any, int], Any]] = {
    "union": plain_union,
    "record": plain_record,
    "array": plain_array,
    "map": plain_map,
}
