"""Sources: messages -> the values that a stream begins with; pure but for the registry.

Inside the engine a key is text. Bytes would do, but the engine puts state keys together as
`prefix|key`: for bytes as they are, so that keys with a bar could collide, for text by its length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from mainstem.errors import DecodeError, EventRefused
from mainstem.event import Event, StoredEvent, to_millis
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.records import ID, LSN, ORDINAL, lsn_header
from mainstem.metadata_codec import utf16_sorted
from mainstem.wire import Wire

Source: TypeAlias = Callable[[Delivered], Any]
"""The value of a message, or PASSED_OVER."""

HEAD_BYTES: Final = 5
HEADS_MAX: Final = 1000
ESCAPED: Final = "surrogateescape"
"""Keys of the type bytes need not be UTF-8."""


class PassedOver:
    """The only one of its kind: what a source gives for a message that nobody wants."""

    def __repr__(self) -> str:
        """Its name."""
        return "PASSED_OVER"


PASSED_OVER: Final = PassedOver()


class Loads(Protocol):
    """What reads back values that went through a topic of the engine's own."""

    def loads(self, data: bytes) -> Any:
        """The value; DecodeError for foreign bytes."""


class EventSource:
    """The events of a topic whose payloads somebody asked for."""

    def __init__(self, wire: Wire, key_type: type) -> None:
        """Nobody has asked yet."""
        self._wire = wire
        self._decoder = Decoder(wire, key_type)
        self._wanted: set[str] | None = set()
        self._heads: dict[bytes, bool] = {}
        """Whether frames that begin like this are wanted: the beginning tells the schema."""

    def want(self, names: frozenset[str]) -> None:
        """Payloads of these Avro full names are wanted too; of none: all are."""
        if not names or self._wanted is None:
            self._wanted = None
        else:
            self._wanted |= names
        self._heads.clear()

    def __call__(self, delivered: Delivered) -> StoredEvent[Any] | PassedOver:
        """The event, or PASSED_OVER; DecodeError and SchemaNotFound name its place."""
        value = delivered.value
        if self._wanted is not None and value is not None:
            wanted = self._heads.get(value[:HEAD_BYTES])
            if not (self._judged(value) if wanted is None else wanted):
                return PASSED_OVER
        return self._decoder.stored(delivered)

    def _judged(self, value: bytes) -> bool:
        """Whether frames like this one are wanted."""
        wanted = self._wanted is None or self._wire.type_name_of(value) in self._wanted
        if len(self._heads) >= HEADS_MAX:
            self._heads.clear()
        self._heads[value[:HEAD_BYTES]] = wanted
        return wanted


class RepartitionSource:
    """The values that the engine sent to itself, to have them by another key."""

    def __init__(self, codec: Loads) -> None:
        """They are read by the codec that wrote them."""
        self.codec = codec

    def __call__(self, delivered: Delivered) -> Any:
        """The value; DecodeError names its place."""
        if delivered.value is None:
            raise DecodeError(f"{delivered.place}: a repartition topic holds a message of another")
        return self.codec.loads(delivered.value)


def key_text(key: bytes) -> str:
    """The key of a message as the engine has it."""
    return key.decode("utf-8", ESCAPED)


def key_of_text(text: str) -> bytes:
    """The key of a message behind the engine's."""
    return text.encode("utf-8", ESCAPED)


def original(delivered: Delivered, value: Any, wire: Wire) -> Delivered:
    """The message behind a value that went through a repartition topic, as far as it tells.

    An event knows its place, and its key is the new one; for another value, and for an event of a
    type that nobody declared, there is the message of the repartition topic alone.
    """
    if not isinstance(value, StoredEvent) or value.partition is None or value.offset is None:
        return delivered
    try:
        frame = wire.frame_of(value.payload)
    except EventRefused:
        return delivered
    moment, headers = to_millis(value.timestamp), headers_of(value)
    return Delivered(
        value.topic, value.partition, value.offset, delivered.key, frame, moment, headers
    )


def headers_of(event: Event[Any]) -> list[tuple[str, bytes | None]]:
    """The headers that an event came with: metadata, and id and position if it had them."""
    headers: dict[str, bytes | None] = dict(event.metadata)
    if isinstance(event, StoredEvent):
        if event.id:
            headers[ID] = b"%d" % event.id
        if event.position is not None:
            headers[LSN] = lsn_header(event.position.lsn)
            headers[ORDINAL] = b"%d" % event.position.ordinal
    return [(name, headers[name]) for name in utf16_sorted(headers)]
