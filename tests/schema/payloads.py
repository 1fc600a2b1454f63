"""Declared classes of every kind that the codec knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

from mainstem.schema.declare import Dec, Fixed, Float32, Int32, Micros, event_type

NAMESPACE = "com.example.schema"


class Status(Enum):
    """An enum whose values are no Avro names; its members' names are."""

    NEW = "brand new"
    PAID = "paid & done"


@dataclass(frozen=True, slots=True)
class Address:
    """A nested record without a declaration of its own."""

    street: str
    zip: str | None = None


@event_type("com.example.payment")
@dataclass(frozen=True, slots=True)
class Card:
    """One of two records of the same shape, with a namespace of its own."""

    reference: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """The other of the two records of the same shape."""

    reference: str


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """A field of every type."""

    flag: bool
    small: Int32
    large: int
    single: Float32
    twice: float
    text: str
    raw: bytes
    digest: Annotated[bytes, Fixed(4)]
    identity: UUID
    total: Annotated[Decimal, Dec(12, 2)]
    day: date
    moment: datetime
    exact_moment: Micros
    status: Status
    address: Address
    billing: Address | None
    payment: Card | Invoice | None
    amount: int | str | Annotated[Decimal, Dec(6, 3)]
    tags: list[str]
    path: tuple[Address, ...]
    counts: dict[str, Int32]
    grid: Sequence[list[float]]


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A record that contains itself."""

    value: Int32
    left: Tree | None = None
    right: Tree | None = None


@event_type(NAMESPACE)
@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """A default of every kind that Avro can express."""

    flag: bool = True
    number: Int32 = -7
    text: str = "défaut"
    raw: bytes = b"\x00\xff"
    status: Status = Status.PAID
    day: date = date(2024, 10, 4)
    price: Annotated[Decimal, Dec(6, 2)] = Decimal("0.01")
    note: str | None = None
    hint: str | None = "first"
    tags: list[str] = field(default_factory=list)
    places: tuple[str, ...] = ("x", "y")
    counts: dict[str, int] = field(default_factory=dict)
    address: Address = Address("Main Street")


@event_type(NAMESPACE, "Defaults")
@dataclass(frozen=True, slots=True, kw_only=True)
class NoFields:
    """What Defaults was before it had fields."""
