"""Decoding: delivered messages -> stored events.

Reading spends most of its time here. Keys come again and again, so they are remembered, and so is
the last LSN, which many events share; nothing that was checked when it was saved is checked again.
"""

from __future__ import annotations

from typing import Any, Final

from mainstem.errors import DecodeError, SchemaNotFound
from mainstem.event import (
    NO_METADATA,
    NO_ROW,
    Key,
    Position,
    StoredEvent,
    Whereabouts,
    arrived_event,
    from_millis,
    frozen,
    parse_lsn,
)
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.records import ID, LSN, ORDINAL, number
from mainstem.wire import Wire, key_from_bytes

KEYS_MAX: Final = 20_000
USUAL: Final = [ID, LSN, ORDINAL]
"""The headers of an event without metadata, as the replicator writes them."""


class Decoder:
    """How delivered messages become stored events; for one thread at a time."""

    def __init__(self, wire: Wire, key_type: type) -> None:
        """Payloads of the wire's types come as their classes, keys as `key_type`."""
        self.wire = wire
        self.key_type = key_type
        self._keys: dict[bytes, Key] = {}
        self._lsn = (b"", 0)

    def another(self) -> Decoder:
        """One that decodes the same, for another thread."""
        return Decoder(self.wire, self.key_type)

    def stored(self, delivered: Delivered) -> StoredEvent[Any]:
        """The event of a message; DecodeError and SchemaNotFound name its place and id."""
        try:
            return self._stored(delivered)
        except (DecodeError, SchemaNotFound) as error:
            said = f"{delivered.place}{delivered.named_id}: {error.message}"
            raise type(error)(said, hint=error.hint) from error

    def _stored(self, delivered: Delivered) -> StoredEvent[Any]:
        """The event of a message."""
        topic, partition, offset, key, value, timestamp_ms, headers = delivered
        if key is None or value is None:
            raise DecodeError("a Kafka message without key or value is not an event")
        if headers and [name for name, _ in headers] == USUAL:
            (_, id_), (_, lsn), (_, ordinal) = headers
            metadata = NO_METADATA
        else:
            entries = dict(headers or ())
            id_, lsn, ordinal = (entries.pop(name, None) for name in USUAL)
            metadata = frozen({name: entry or b"" for name, entry in entries.items()})
        return arrived_event(
            topic,
            NO_ROW if id_ is None else number(id_, ID),
            self._keys.get(key) or self._key(key),
            self.wire.payload(value),
            from_millis(timestamp_ms),
            metadata,
            Whereabouts(self._position(lsn, ordinal), partition, offset),
        )

    def _key(self, data: bytes) -> Key:
        key = key_from_bytes(data, self.key_type)
        if len(self._keys) >= KEYS_MAX:
            self._keys.clear()
        self._keys[data] = key
        return key

    def _position(self, lsn: bytes | None, ordinal: bytes | None) -> Position | None:
        if lsn is None or ordinal is None:
            return None
        if lsn != self._lsn[0]:
            self._lsn = lsn, parse_lsn(lsn.decode("ascii", "replace"))
        return Position(self._lsn[1], number(ordinal, ORDINAL))
