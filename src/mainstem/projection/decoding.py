"""Decoding: messages -> arrivals; payloads that nobody handles are not decoded at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mainstem.errors import DecodeError, SchemaNotFound
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Delivered
from mainstem.projection.batch import Arrival
from mainstem.projection.definition import Definition
from mainstem.wire import SchemaIds, Wire

FRAME_BYTES: Final = 5
"""Before the payload: a magic byte and the id of its schema."""


class Decoding:
    """Decodes what the handlers of one projection take; for one thread at a time."""

    def __init__(self, definition: Definition, registry: SchemaIds) -> None:
        """Ask this registry for schemas, each once."""
        self._wire = Wire(registry, definition.types)
        self._decoder = Decoder(self._wire, definition.key_type)
        self._wanted = definition.wanted
        self._handled: dict[bytes, bool] = {}

    def arrivals(self, delivered: Iterable[Delivered]) -> list[Arrival]:
        """Each message with its event, or with why it has none; ServerUnavailable."""
        return [self.arrival(each) for each in delivered]

    def arrival(self, delivered: Delivered) -> Arrival:
        """As `arrivals`, of one message."""
        try:
            if self._wanted is not None and not self._is_handled(delivered.value, self._wanted):
                return Arrival(delivered, None)
            return Arrival(delivered, self._decoder.stored(delivered))
        except (DecodeError, SchemaNotFound) as error:
            return Arrival(delivered, None, error)

    def _is_handled(self, value: bytes | None, wanted: frozenset[str]) -> bool:
        """Whether a handler takes payloads of this type, or must hear that there is none."""
        if value is None:
            return True
        frame = value[:FRAME_BYTES]
        handled = self._handled.get(frame)
        if handled is None:
            handled = self._handled[frame] = self._wire.type_name_of(value) in wanted
        return handled
