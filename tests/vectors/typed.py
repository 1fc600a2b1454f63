"""Typed JSON of the vectors <-> values of the codec, directed by the schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from mainstem.schema.shape import Shape

LOGICAL: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal,
    "uuid": UUID,
    "date": date.fromisoformat,
    "time-millis": time.fromisoformat,
    "time-micros": time.fromisoformat,
    "timestamp-millis": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "timestamp-micros": lambda text: datetime.fromisoformat(text).astimezone(UTC),
    "local-timestamp-millis": datetime.fromisoformat,
    "local-timestamp-micros": datetime.fromisoformat,
}


def value_of(shape: Shape, typed: Any, *, named: bool) -> Any:
    """The value; a union's is (name of the branch, value) where `named`, as the encoder wants."""
    if shape.kind == "union":
        return branch_value(shape, typed, named=named)
    if shape.kind == "record":
        return {
            field.name: value_of(field.shape, typed[field.name], named=named)
            for field in shape.fields
        }
    if shape.kind == "array":
        return [value_of(shape.item, item, named=named) for item in typed]
    if shape.kind == "map":
        return {key: value_of(shape.item, item, named=named) for key, item in typed.items()}
    return scalar_of(shape, typed)


def branch_value(shape: Shape, typed: Any, *, named: bool) -> Any:
    """The value of a union."""
    if typed is None:
        return None
    ((name, inside),) = typed.items()
    branch = next(branch for branch in shape.branches if branch.branch_name == name)
    value = value_of(branch, inside, named=named)
    return (name, value) if named else value


def scalar_of(shape: Shape, typed: Any) -> Any:
    """The value of anything that holds nothing else."""
    if shape.logical:
        return LOGICAL[shape.logical](typed)
    if shape.kind in {"bytes", "fixed"}:
        return bytes.fromhex(typed)
    if shape.kind in {"float", "double"}:
        return float(typed)
    return typed
