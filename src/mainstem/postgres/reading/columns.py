"""Columns: which Arrow columns the events of a topic have, told from their schemas; pure.

Every payload field is a column of its name, and may be null: another type of payload, or an
earlier version of the same, may lack it. Where schemas disagree about a field's type, it becomes
the type that holds both (`long` for `int`, a struct of all fields), or SchemaError tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mainstem.errors import SchemaError
from mainstem.schema.shape import Shape

PREFIX: Final = "payload_"
"""Before a payload field that is called like a column of ours."""
DECIMAL_DIGITS_MAX: Final = 38
"""What decimal128 holds; a decimal of more digits becomes text, which loses nothing."""
TEXT_KEYS: Final = "string"
KEY_KINDS: Final = {
    "bigint": "int64",
    "integer": "int64",
    "smallint": "int64",
    "bytea": "binary",
}
"""Types of keys that are not shown as text."""


@dataclass(frozen=True, slots=True)
class ArrowType:
    """A type of Arrow's; `kind` tells which of the other attributes mean anything."""

    kind: str
    unit: str = ""
    """Of a time or timestamp."""
    zone: str | None = None
    """Of a timestamp; None for a local one."""
    size: int = 0
    precision: int = 0
    scale: int = 0
    children: tuple[Column, ...] = ()
    """Of a struct; of a list and of a map one, for the values."""


@dataclass(frozen=True, slots=True)
class Column:
    """A name and the type of what is called so."""

    name: str
    type: ArrowType


Columns: TypeAlias = tuple[Column, ...]

INT64, STRING, BINARY = ArrowType("int64"), ArrowType("string"), ArrowType("binary")
MILLIS_UTC = ArrowType("timestamp", "ms", "UTC")
METADATA = ArrowType("map", children=(Column("value", BINARY),))

PLAIN = {
    "null": ArrowType("null"),
    "boolean": ArrowType("bool"),
    "int": ArrowType("int32"),
    "long": INT64,
    "float": ArrowType("float"),
    "double": ArrowType("double"),
    "string": STRING,
    "bytes": BINARY,
    "enum": STRING,
}
LOGICAL = {
    "uuid": STRING,
    "date": ArrowType("date32"),
    "time-millis": ArrowType("time32", "ms"),
    "time-micros": ArrowType("time64", "us"),
    "timestamp-millis": MILLIS_UTC,
    "timestamp-micros": ArrowType("timestamp", "us", "UTC"),
    "local-timestamp-millis": ArrowType("timestamp", "ms"),
    "local-timestamp-micros": ArrowType("timestamp", "us"),
}
WIDER = {("int32", "int64"): "int64", ("float", "double"): "double"}


def fixed_columns(key_type: str, *, versioned: bool) -> Columns:
    """The columns that every topic has."""
    key = ArrowType(KEY_KINDS.get(key_type, TEXT_KEYS))
    columns = [
        Column("id", INT64),
        Column("key", key),
        Column("type", STRING),
        Column("timestamp", MILLIS_UTC),
    ]
    if versioned:
        columns.append(Column("version", INT64))
    return (*columns, Column("metadata", METADATA))


def payload_columns(shapes: Iterable[Shape]) -> Columns:
    """The fields of all these records by name; SchemaError where two types do not meet."""
    found: dict[str, tuple[ArrowType, str]] = {}
    for shape in shapes:
        for field in shape.fields:
            type_ = arrow_type(field.shape, f"{shape.name}.{field.name}", ())
            if field.name in found:
                known, owner = found[field.name]
                type_ = united(known, type_, f"{owner} and {shape.name}.{field.name}")
            found[field.name] = type_, f"{shape.name}.{field.name}"
    return tuple(Column(name, type_) for name, (type_, _) in found.items())


def named_apart(columns: Sequence[Column], others: Sequence[Column]) -> list[str]:
    """The names of the columns, prefixed where another has the name already."""
    taken = {column.name for column in others} | {column.name for column in columns}
    names = []
    for column in columns:
        name = column.name
        if any(name == other.name for other in others):
            while name in taken:
                name = PREFIX + name
        taken.add(name)
        names.append(name)
    return names


def arrow_type(shape: Shape, path: str, inside: tuple[str, ...]) -> ArrowType:
    """The Arrow type of an Avro type; SchemaError for what Arrow has no type for."""
    if shape.kind == "union":
        return arrow_type(only_branch(shape, path), path, inside)
    if shape.kind == "record":
        return struct_of(shape, path, inside)
    if shape.items is not None:
        item = Column("value", arrow_type(shape.items, path, inside))
        return ArrowType("list" if shape.kind == "array" else "map", children=(item,))
    return scalar_type(shape)


def scalar_type(shape: Shape) -> ArrowType:
    """The Arrow type of what holds nothing else."""
    if shape.logical == "decimal":
        narrow = shape.precision <= DECIMAL_DIGITS_MAX
        decimal = ArrowType("decimal", precision=shape.precision, scale=shape.scale)
        return decimal if narrow else STRING
    if shape.kind == "fixed":
        return ArrowType("fixed", size=shape.size) if shape.size else BINARY
    return LOGICAL[shape.logical] if shape.logical else PLAIN[shape.kind]


def struct_of(shape: Shape, path: str, inside: tuple[str, ...]) -> ArrowType:
    """The struct of a record; SchemaError for one that contains itself or nothing."""
    if shape.name in inside:
        raise SchemaError(f"{path} contains itself, which no Arrow type can")
    if not shape.fields:
        raise SchemaError(f"{path} is a record without fields, which no Arrow reader takes")
    return ArrowType(
        "struct",
        children=tuple(
            Column(
                field.name,
                arrow_type(field.shape, f"{path}.{field.name}", (*inside, shape.name)),
            )
            for field in shape.fields
        ),
    )


def only_branch(union: Shape, path: str) -> Shape:
    """The one type that a union may be, beside null; SchemaError if it may be several."""
    branches = [branch for branch in union.branches if branch.kind != "null"]
    if len(branches) > 1:
        names = ", ".join(branch.branch_name for branch in branches)
        raise SchemaError(
            f"{path} may be any of {names}: an Arrow column has one type",
            hint="read such events by read_all(), or others alone by types=",
        )
    return branches[0] if branches else union.branches[0]


def united(one: ArrowType, other: ArrowType, path: str) -> ArrowType:
    """The type that holds the values of both; SchemaError if none does."""
    if one == other or other.kind == "null":
        return one
    if one.kind == "null":
        return other
    wider = WIDER.get((one.kind, other.kind)) or WIDER.get((other.kind, one.kind))
    if wider is not None:
        return ArrowType(wider)
    if one.kind != other.kind or not one.children:
        raise SchemaError(
            f"{path} are of different types ({shown(one)}, {shown(other)}):"
            " they cannot be one column",
            hint="read them one after the other by types= or after= and limit=",
        )
    merged = {column.name: column.type for column in one.children}
    for column in other.children:
        known = merged.get(column.name)
        merged[column.name] = column.type if known is None else united(known, column.type, path)
    return ArrowType(one.kind, children=tuple(Column(*entry) for entry in merged.items()))


def shown(type_: ArrowType) -> str:
    """The type for a message."""
    details: list[Any] = [type_.unit, type_.zone, type_.size]
    details += [type_.precision, type_.scale] if type_.precision else []
    text = ", ".join(str(detail) for detail in details if detail not in {"", None, 0})
    return f"{type_.kind}({text})" if text else type_.kind
