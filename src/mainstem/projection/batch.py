"""Batch: messages on their way into one transaction, and the offsets that go with them; pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from mainstem.errors import MainstemError
from mainstem.event import Position, StoredEvent
from mainstem.kafka.delivered import Delivered, Place


class Arrival(NamedTuple):
    """A message, decoded. Without event and error it is of a type that nobody handles."""

    delivered: Delivered
    event: StoredEvent[Any] | None
    error: MainstemError | None = None
    """Why it cannot be decoded."""


class Move(NamedTuple):
    """What a transaction does to the offset of one partition."""

    topic: str
    partition: int
    topic_id: str
    expected: int
    """The last offset that was done with before."""
    reached: int
    """The last one that is done with afterwards."""
    position: Position | None
    """Of the last event, where it carries one."""
    events: int

    @property
    def place(self) -> Place:
        """Its partition."""
        return Place(self.topic, self.partition)


class Batch(NamedTuple):
    """What is applied in one transaction."""

    arrivals: list[Arrival]
    moves: tuple[Move, ...]
