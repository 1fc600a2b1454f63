"""Columns: which columns the fields of a state class have, told from their annotations; pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from mainstem.errors import ConfigurationError
from mainstem.postgres import naming

COLUMN_TYPES: Final[dict[type, str]] = {
    str: "text",
    bool: "boolean",
    int: "bigint",
    float: "double precision",
    Decimal: "numeric",
    UUID: "uuid",
    bytes: "bytea",
    datetime: "timestamptz",
    date: "date",
}


@dataclass(frozen=True, slots=True)
class StateColumn:
    """A field of a state, as a column."""

    name: str
    type_name: str
    optional: bool
    member: type[enum.Enum] | None = None
    """The enumeration whose value the column holds."""

    def lowered(self, value: Any) -> Any:
        """The field's value as the column holds it."""
        return value.value if self.member is not None and value is not None else value

    def lifted(self, value: Any) -> Any:
        """The column's value as the field holds it."""
        return self.member(value) if self.member is not None and value is not None else value


def columns_of(state: type) -> tuple[StateColumn, ...]:
    """The columns of a dataclass, in its order; ConfigurationError for a type that has none."""
    if not is_dataclass(state):
        raise ConfigurationError(f"the state {state.__name__} is no dataclass")
    hints = get_type_hints(state)
    return tuple(column(state, field.name, hints[field.name]) for field in fields(state))


def column(state: type, name: str, annotation: Any) -> StateColumn:
    """The column of one field."""
    kind, optional = plain(annotation)
    member: type[enum.Enum] | None = None
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        member = kind
        kind = type(next(iter(kind)).value)
    found = COLUMN_TYPES.get(kind) if isinstance(kind, type) else None
    if found is None:
        raise ConfigurationError(
            f"{state.__name__}.{name} is of a type that has no column: {annotation}",
            hint=f"use one of {', '.join(each.__name__ for each in COLUMN_TYPES)},"
            " an Enum of them, or a Projection with SQL of your own",
        )
    return StateColumn(naming.checked(name, "column"), found, optional, member)


def plain(annotation: Any) -> tuple[Any, bool]:
    """The class of an annotation without its markers, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        others = [each for each in get_args(annotation) if each is not NoneType]
        optional = len(others) < len(get_args(annotation))
        return (plain(others[0])[0], optional) if len(others) == 1 else (annotation, optional)
    return annotation, False


def rower(columns: tuple[StateColumn, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """(state) -> the values of its columns."""
    if not any(each.member for each in columns):
        names = [each.name for each in columns]
        return lambda state: tuple([getattr(state, name) for name in names])
    return lambda state: tuple([each.lowered(getattr(state, each.name)) for each in columns])
