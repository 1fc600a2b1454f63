"""Event <-> Record: the payload becomes a frame, the key becomes text; pure but for the registry.

A frame is byte 0, the schema's id as four bytes (big endian), and the Avro body: Confluent's wire
format, which Kafka clients of every language read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from mainstem.correlation import RESERVED_NAMES
from mainstem.errors import (
    DecodeError,
    ReservedMetadataName,
    SchemaError,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import EPOCH, Event, Key, from_millis, to_millis
from mainstem.metadata_codec import encode_metadata
from mainstem.record import Record
from mainstem.schema.compile import decoder, encoder
from mainstem.schema.declare import type_name
from mainstem.schema.derive import schema_text
from mainstem.schema.parse import parse_schema
from mainstem.schema.shape import Shape

MAGIC = 0
HEADER = struct.Struct(">Bi")
DATA_BYTES_MAX = 67_108_864
"""Far above what a topic takes by default (1 MB); it bounds the memory that one event can cost."""
KEY_BYTES_MAX = 1_048_576
DIGITS_MAX = 1000
DECODERS_MAX = 1000
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")
BOOLEANS = {b"true": True, b"false": False}


class SchemaIds(Protocol):
    """What the wire needs of a registry."""

    def register(self, subject: str, schema_text: str) -> int:
        """The id of the schema, a new one if need be."""

    def by_id(self, schema_id: int) -> str:
        """The schema's text."""


class Packer(NamedTuple):
    """How payloads of one class are framed."""

    header: bytes
    encode: Callable[[Any], bytes]


class Wire:
    """Packs and unpacks events; keeps what it worked out per class and per schema.

    It may be used from several threads. The first event of a class and of a schema asks the
    registry, which may wait for a server; `prepare` does that beforehand.
    """

    def __init__(self, registry: SchemaIds, types: Iterable[type] = ()) -> None:
        """Payloads of `types` come back as their classes; UndeclaredPayload and SchemaError."""
        self._registry = registry
        self._types: dict[str, type] = {}
        self._packers: dict[type, Packer] = {}
        self._decoders: dict[int, Callable[[bytes], Any]] = {}
        self._names: dict[int, str] = {}
        for cls in types:
            self.learn(cls)

    def learn(self, cls: type) -> None:
        """Payloads of this class come back as it from now on; UndeclaredPayload and SchemaError."""
        other = self._types.setdefault(type_name(cls), cls)
        if other is not cls:
            raise SchemaError(f"two of the types are called {type_name(cls)}")
        # Decoders that were made without it give GenericPayload.
        self._decoders.clear()

    def knows(self, cls: type) -> bool:
        """Whether payloads of this class come back as it; UndeclaredPayload."""
        return self._types.get(type_name(cls)) is cls

    @property
    def packed(self) -> tuple[type, ...]:
        """The classes whose payloads it has learned to pack."""
        return tuple(self._packers)

    def prepared(self, cls: type) -> bool:
        """Whether packing payloads of this class needs no registry any more."""
        return cls in self._packers

    def prepare(self, cls: type) -> Packer:
        """Register the class's schema and make its encoder.

        Raises UndeclaredPayload, SchemaError, and what the registry raises.
        """
        encode = encoder(cls)
        schema_id = self._registry.register(type_name(cls), schema_text(cls))
        packer = self._packers[cls] = Packer(HEADER.pack(MAGIC, schema_id), encode)
        return packer

    def pack(self, event: Event[Any]) -> Record:
        """The event on the wire; any EventRefused, and what `prepare` raises."""
        self.pack_metadata(event)
        return Record(
            key_bytes(event.key), self.frame(event), event.metadata, to_millis(event.timestamp)
        )

    def pack_metadata(self, event: Event[Any]) -> bytes | None:
        """The event's metadata as the table's column holds it.

        Raises ReservedMetadataName, and InvalidMetadata for what no table could hold.
        """
        if not event.metadata:
            return None
        reserved = RESERVED_NAMES.intersection(event.metadata)
        if reserved:
            raise ReservedMetadataName(f"metadata holds the reserved name {min(reserved)!r}")
        return encode_metadata(event.metadata)

    def frame(self, event: Event[Any]) -> bytes:
        """The event's payload framed; EventRefused for it and for a time that Kafka cannot hold."""
        if event.timestamp < EPOCH:
            raise ValueOutOfRange(
                f"the event's time {event.timestamp.isoformat()} lies before 1970",
                hint="Kafka holds no time before 1970: keep it in the payload",
            )
        return self.frame_of(event.payload)

    def frame_of(self, payload: object) -> bytes:
        """A payload framed; EventRefused, and what `prepare` raises."""
        cls = type(payload)
        header, encode = self._packers.get(cls) or self.prepare(cls)
        data = header + encode(payload)
        if len(data) > DATA_BYTES_MAX:
            raise ValueOutOfRange(f"a payload of {len(data)} bytes; at most {DATA_BYTES_MAX}")
        return data

    def unpack(self, record: Record, key_type: type = UUID) -> Event[Any]:
        """The event of a record; its payload's class is one of `types`, else GenericPayload.

        Raises DecodeError for bytes that are no event, and what the registry raises.
        """
        payload = self.payload(record.data)
        key = key_from_bytes(record.key, key_type)
        return Event(key, payload, from_millis(record.timestamp_ms), record.metadata)

    def payload(self, data: bytes) -> Any:
        """The payload in a frame, as `unpack` has it and with its errors."""
        schema_id = framed_id(data)
        decode = self._decoders.get(schema_id) or self._decoder(schema_id)
        return decode(data[HEADER.size :])

    def type_name_of(self, data: bytes) -> str:
        """The Avro full name of the payload in a frame, which is not decoded; as `unpack`."""
        schema_id = framed_id(data)
        name = self._names.get(schema_id)
        if name is None:
            name = self.schema_of(schema_id).name
            if len(self._names) >= DECODERS_MAX:
                self._names.clear()
            self._names[schema_id] = name
        return name

    def schema_of(self, schema_id: int) -> Shape:
        """The tree of a registered schema; DecodeError, and what the registry raises."""
        if schema_id < 0:
            raise DecodeError(f"the frame names schema {schema_id}; ids are not negative")
        try:
            return parse_schema(self._registry.by_id(schema_id))
        except SchemaError as error:
            raise DecodeError(f"schema {schema_id} of the registry: {error}") from error

    def untyped(self) -> Wire:
        """A wire over the same registry whose payloads are all GenericPayload."""
        return Wire(self._registry)

    def _decoder(self, schema_id: int) -> Callable[[bytes], Any]:
        """The decoder of a registered schema."""
        if schema_id < 0:
            raise DecodeError(f"the frame names schema {schema_id}; ids are not negative")
        text = self._registry.by_id(schema_id)
        try:
            decode = decoder(text, self._types.get(parse_schema(text).name))
        except SchemaError as error:
            raise DecodeError(f"schema {schema_id} of the registry: {error}") from error
        if len(self._decoders) >= DECODERS_MAX:
            self._decoders.clear()
        self._decoders[schema_id] = decode
        return decode


def framed_id(data: bytes) -> int:
    """The id of the schema in a frame; DecodeError for what is no frame, or too large a one."""
    if len(data) < HEADER.size or data[0] != MAGIC:
        raise DecodeError(
            f"the data is no frame: {len(data)} bytes, beginning with {data[:1].hex() or '-'}"
        )
    if len(data) > DATA_BYTES_MAX:
        raise DecodeError(f"a payload of {len(data)} bytes; at most {DATA_BYTES_MAX}")
    schema_id: int = HEADER.unpack_from(data)[1]
    return schema_id


def key_bytes(key: Key) -> bytes:
    """The key's text in UTF-8, as PostgreSQL prints it; bytes as they are.

    Raises WrongKeyType and ValueOutOfRange.
    """
    write = KEY_WRITERS.get(type(key)) or next(
        (write for cls, write in KEY_WRITERS.items() if isinstance(key, cls)), None
    )
    if write is None:
        raise WrongKeyType(f"{type(key).__name__} cannot be a key")
    data = write(key)
    if len(data) > KEY_BYTES_MAX:
        raise ValueOutOfRange(f"a key of {len(data)} bytes; at most {KEY_BYTES_MAX}")
    return data


def key_from_bytes(data: bytes, key_type: type) -> Key:
    """The key behind the bytes; DecodeError, and WrongKeyType for a type that is no key's."""
    read = KEY_READERS.get(key_type)
    if read is None:
        raise WrongKeyType(f"{key_type.__name__} cannot be the type of a key")
    if len(data) > KEY_BYTES_MAX:
        raise DecodeError(f"a key of {len(data)} bytes; at most {KEY_BYTES_MAX}")
    key = read(data)
    if key is None:
        raise DecodeError(f"a key of {len(data)} bytes is no {key_type.__name__}")
    return key


def text_bytes(key: str) -> bytes:
    """UTF-8; ValueOutOfRange for a lone surrogate."""
    try:
        return key.encode()
    except UnicodeEncodeError:
        raise ValueOutOfRange("a key holds a lone surrogate") from None


def whole_bytes(key: int) -> bytes:
    """Decimal digits."""
    if not -(2**63) <= key < 2**63:
        raise ValueOutOfRange("a key is a number of more than 64 bits")
    return b"%d" % key


def decimal_bytes(key: Decimal) -> bytes:
    """Plain digits without exponent."""
    if not key.is_finite() or max(abs(key.adjusted()), len(key.as_tuple().digits)) > DIGITS_MAX:
        raise ValueOutOfRange(f"a key is no number of at most {DIGITS_MAX} digits")
    return format(key, "f").encode()


def read_uuid(data: bytes) -> UUID | None:
    """A UUID in its usual text of 36 characters."""
    try:
        key = UUID(data.decode("ascii"))
    except ValueError:
        return None
    return key if str(key).encode() == data.lower() else None


def read_text(data: bytes) -> str | None:
    """UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def read_whole(data: bytes) -> int | None:
    """Decimal digits of a number of 64 bits."""
    text = read_text(data)
    return int(text) if text is not None and WHOLE_NUMBER.fullmatch(text) else None


def read_decimal(data: bytes) -> Decimal | None:
    """Plain digits without exponent."""
    if len(data) > 2 * DIGITS_MAX or not set(data) <= set(b"-.0123456789"):
        return None
    try:
        return Decimal(data.decode("ascii"))
    except InvalidOperation:
        return None


# bool comes before int, because a bool is an int too.
KEY_WRITERS: Mapping[type, Callable[[Any], bytes]] = {
    UUID: lambda key: str(key).encode(),
    str: text_bytes,
    bool: lambda key: b"true" if key else b"false",
    int: whole_bytes,
    Decimal: decimal_bytes,
    bytes: bytes,
}
KEY_READERS: Mapping[type, Callable[[bytes], Key | None]] = {
    UUID: read_uuid,
    str: read_text,
    bool: BOOLEANS.get,
    int: read_whole,
    Decimal: read_decimal,
    bytes: bytes,
}
