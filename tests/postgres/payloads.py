"""Payloads of the store's tests."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from mainstem.event import Event, Key
from mainstem.schema.declare import Int32, event_type


@event_type("com.example.postgres")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A note, small and plain."""

    text: str
    count: Int32


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A class that nobody declared as an event."""

    text: str


def noted(count: int = 0, *, key: Key | None = None, **metadata: bytes) -> Event[Noted]:
    """An event, with a random key unless one is given."""
    chosen: Key | UUID = uuid4() if key is None else key
    return Event(chosen, Noted(text="ä", count=count), metadata=metadata)
