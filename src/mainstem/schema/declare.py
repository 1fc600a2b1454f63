"""How a class says that it is a payload type: @event_type, and markers for Annotated.

A marker chooses the Avro type where Python's own type leaves a choice; type checkers see only the
plain type. There is no list of declared classes: a class carries its own name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVar

from mainstem.errors import SchemaError, UndeclaredPayload
from mainstem.schema.grammar import checked_name, checked_namespace

C = TypeVar("C", bound=type)

NAME_ATTRIBUTE = "__mainstem_type__"
PRECISION_MAX = 1000
FIXED_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class AvroType:
    """Marks that a type is written as this Avro type."""

    kind: str
    logical: str = ""


@dataclass(frozen=True, slots=True)
class Dec:
    """Marks a Decimal: at most `precision` digits, of which `scale` stand after the point."""

    precision: int
    scale: int = 0

    def __post_init__(self) -> None:
        """Refuse what Avro does not know."""
        if not 1 <= self.precision <= PRECISION_MAX or not 0 <= self.scale <= self.precision:
            raise SchemaError(
                f"Dec({self.precision}, {self.scale}) is no decimal type",
                hint=f"1 <= precision <= {PRECISION_MAX}, 0 <= scale <= precision",
            )


@dataclass(frozen=True, slots=True)
class Fixed:
    """Marks bytes of always the same length; its Avro name is `Fixed16` unless one is given."""

    size: int
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what Avro does not know."""
        if not 1 <= self.size <= FIXED_BYTES_MAX:
            raise SchemaError(f"Fixed({self.size}): the size must be 1 to {FIXED_BYTES_MAX} bytes")


Int32: TypeAlias = Annotated[int, AvroType("int")]
"""A whole number of 32 bits; a plain int has 64."""

Float32: TypeAlias = Annotated[float, AvroType("float")]
"""A number of single precision; a plain float is a double."""

Millis: TypeAlias = Annotated[datetime, AvroType("long", "timestamp-millis")]
"""A moment in milliseconds, as a plain datetime is; finer parts are floored."""

Micros: TypeAlias = Annotated[datetime, AvroType("long", "timestamp-micros")]
"""A moment in microseconds."""


def event_type(namespace: str, name: str | None = None) -> Callable[[C], C]:
    """Declare a dataclass as payload type `namespace.ClassName` (or `namespace.name`).

    The full name is the subject in the schema registry, for ever. A subclass is not declared
    with its parent. Raises SchemaError for names outside Avro's grammar.
    """
    checked_namespace(namespace, "event type's")

    def declared(cls: C) -> C:
        simple = checked_name(name or cls.__name__, "event type")
        setattr(cls, NAME_ATTRIBUTE, f"{namespace}.{simple}")
        return cls

    return declared


def type_name(cls: type) -> str:
    """The full name of a declared class; UndeclaredPayload."""
    name = declared_name(cls)
    if name is None:
        raise UndeclaredPayload(f"{cls.__module__}.{cls.__qualname__} is not declared")
    return name


def declared_name(cls: type) -> str | None:
    """The full name, or None; what a parent declared does not count."""
    name = cls.__dict__.get(NAME_ATTRIBUTE)
    return None if name is None else str(name)
