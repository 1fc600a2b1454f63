"""Decoding for a rebuild: which messages its handlers get, and which only move its offsets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mainstem.kafka.delivered import Delivered
from mainstem.projection.batch import Arrival
from mainstem.projection.decoding import Decoding as Whole
from mainstem.projection.definition import Definition
from mainstem.wire import SchemaIds

Decode: TypeAlias = Callable[[Delivered], Arrival]


class Decoding:
    """Turns messages into arrivals, as a projector does; for one thread at a time."""

    def __init__(self, definition: Definition, registry: SchemaIds, first_lsn: int = 0) -> None:
        """Leave out what committed before `first_lsn`."""
        self._whole = Whole(definition, registry)
        self._first_lsn = first_lsn
        self.discarded: frozenset[tuple[str, int, int]] = frozenset()
        """Topic, partition and offset of events that an operator has discarded."""

    def __call__(self, delivered: Delivered) -> Arrival:
        """The message's event, the error that it cannot be decoded, or neither."""
        if self.discarded and delivered[:3] in self.discarded:
            return Arrival(delivered, None)
        arrival = self._whole.arrival(delivered)
        position = None if arrival.event is None else arrival.event.position
        if position is not None and position.lsn < self._first_lsn:
            return Arrival(delivered, None)
        return arrival
