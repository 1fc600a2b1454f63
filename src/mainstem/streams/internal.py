"""InternalCodec: the bytes of state, of changelogs and of repartition topics; no pickle.

A value is MessagePack (its specification: github.com/msgpack) with extension types of ours for
events, payloads and what Python has besides. Keys of state go through the same bytes, so equal
values have equal bytes, as far as they look equal: 1 and 1.0 do not. Dicts keep their order, sets
are sorted. For the same reason a cipher must be deterministic.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol
from zlib import crc32

import msgpack

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    EventRefused,
    MainstemError,
    UndeclaredPayload,
)
from mainstem.event import Event, GenericPayload, StoredEvent, from_millis, to_millis
from mainstem.streams.internal_values import (
    EVENT,
    FROZENSET,
    GENERIC,
    PAYLOAD,
    PLAIN,
    READERS,
    SET,
    STORED_EVENT,
    TUPLE,
    WRITERS,
    fields_of,
    moment_code,
    stored_event_of,
)
from mainstem.wire import Wire

FORMAT: Final = 1
"""Of these bytes; another number is another format, and state of it must be built anew."""
SURROGATES: Final = "surrogatepass"
"""Keys that are not UTF-8 are text with surrogates inside the engine."""
PROBE: Final = b"mainstem: is it deterministic?"
BUFFER_BYTES: Final = 1024
"""To begin with; the library's 256 kB are slow where values lie within values."""
DEPTH_MAX: Final = 32
"""Of tuples, sets and events within one another: each costs the library 40 kB of C's stack."""


class Cipher(Protocol):
    """Encrypts values and keys of state; equal data must give equal bytes, as AES-SIV does."""

    def encrypt(self, data: bytes, /) -> bytes:
        """The data, so that nobody else can read them."""

    def decrypt(self, data: bytes, /) -> bytes:
        """The data again; any error for bytes that `encrypt` did not give."""


class StateUnreadable(DecodeError):
    """Bytes of state or of a repartition topic are not of this application, or went bad."""


class StateUndeclared(UndeclaredPayload):
    """The state holds a payload whose class is not declared."""


class InternalCodec:
    """Values <-> bytes, for one thread at a time."""

    def __init__(self, wire: Wire, cipher: Cipher | None = None) -> None:
        """Payloads go by the wire; ConfigurationError for a cipher that keys cannot go through."""
        self._wire = wire
        self._cipher = cipher
        self._declared: set[type] = set()
        self._depth = 0
        if cipher is not None:
            refuse_random(cipher)

    @property
    def format(self) -> int:
        """The number of these bytes: FORMAT, and under a cipher its fingerprint above it.

        Under another cipher no key of state would be found, and all state be empty.
        """
        if self._cipher is None:
            return FORMAT
        return FORMAT + (crc32(self._cipher.encrypt(PROBE)) << 16)

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value.

        ConfigurationError for a type that has none, UndeclaredPayload for a payload whose class
        could not be found again: declare it in `types=` of the application.
        """
        self._depth = 0
        data = self._pack(value)
        return data if self._cipher is None else self._cipher.encrypt(data)

    def loads(self, data: bytes) -> Any:
        """The value; StateUnreadable for bytes that are not ours or went bad, StateUndeclared."""
        self._depth = 0
        try:
            return self._unpack(data if self._cipher is None else self._cipher.decrypt(data))
        except Exception as error:
            if of_its_own(error):
                raise
            raise StateUnreadable(
                f"{len(data)} bytes of state are not of this application, or went bad"
                f" ({type(error).__name__})",
                hint="was it started with another cipher or program? `mainstem stream reset`"
                " builds the state anew from the events",
            ) from error

    def _pack(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(
            value,
            default=self._extended,
            strict_types=True,
            unicode_errors=SURROGATES,
            buf_size=BUFFER_BYTES,
        )
        return packed

    def _unpack(self, data: bytes) -> Any:
        return msgpack.unpackb(
            data, ext_hook=self._restored, strict_map_key=False, unicode_errors=SURROGATES
        )

    def _packed_within(self, value: Any) -> bytes:
        """The bytes of a value within another one."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ConfigurationError(
                f"tuples, sets or events lie more than {DEPTH_MAX} deep within one another",
                hint="keep lists and dicts, which may lie deeper",
            )
        packed = self._pack(value)
        self._depth -= 1
        return packed

    def _unpacked_within(self, data: bytes) -> Any:
        """The value of bytes within others."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise DecodeError("bytes of state nest deeper than any that were written")
        value = self._unpack(data)
        self._depth -= 1
        return value

    # -- what MessagePack does not have

    def _extended(self, value: Any) -> msgpack.ExtType:
        """The extension type of a value."""
        cls = type(value)
        if cls is StoredEvent:
            return msgpack.ExtType(STORED_EVENT, self._packed_within(fields_of(value)))
        if cls is Event:
            moment = to_millis(value.timestamp)
            fields = [value.key, value.payload, moment, dict(value.metadata)]
            return msgpack.ExtType(EVENT, self._packed_within(fields))
        code = moment_code(value) if cls is datetime else PLAIN.get(cls)
        if code is not None:
            return msgpack.ExtType(code, WRITERS[code](value))
        if cls in {tuple, set, frozenset, GenericPayload}:
            return self._collected(cls, value)
        return msgpack.ExtType(PAYLOAD, self._framed(cls, value))

    def _collected(self, cls: type, value: Any) -> msgpack.ExtType:
        if cls is tuple:
            return msgpack.ExtType(TUPLE, self._packed_within(list(value)))
        if cls is GenericPayload:
            fields = [value.type_name, value.fields]
            return msgpack.ExtType(GENERIC, self._packed_within(fields))
        code = SET if cls is set else FROZENSET
        items = sorted(self._packed_within(each) for each in value)
        return msgpack.ExtType(code, self._pack(items))

    def _framed(self, cls: type, value: Any) -> bytes:
        """The frame of a payload whose class is known to come back."""
        if cls not in self._declared:
            try:
                known = self._wire.knows(cls)
            except UndeclaredPayload:
                raise ConfigurationError(
                    f"a value of the type {cls.__name__} cannot be kept in state",
                    hint="keep plain values, lists, dicts, events, and payloads of @event_type",
                ) from None
            if not known:
                raise UndeclaredPayload(
                    f"the payload class {cls.__name__} is kept in state but was not declared",
                    hint=f"@stream_app(…, types=[{cls.__name__}])",
                )
            self._declared.add(cls)
        return self._wire.frame_of(value)

    def _restored(self, code: int, data: bytes) -> Any:
        """The value of an extension type."""
        data = bytes(data)
        if code == STORED_EVENT:
            return stored_event_of(self._unpacked_within(data))
        if code == PAYLOAD:
            return self._payload(data)
        reader = READERS.get(code)
        if reader is not None:
            return reader(data)
        return self._gathered(code, self._unpacked_within(data))

    def _payload(self, data: bytes) -> Any:
        """The payload in a frame, as the class that it was kept as."""
        payload = self._wire.payload(data)
        if isinstance(payload, GenericPayload):
            raise StateUndeclared(
                f"the state holds a payload {payload.type_name}, whose class is not declared",
                hint="@stream_app(…, types=[…]) tells the application its class",
            )
        return payload

    def _gathered(self, code: int, items: Any) -> Any:
        if code == TUPLE:
            return tuple(items)
        if code == GENERIC:
            return GenericPayload(*items)
        if code == EVENT:
            key, payload, moment, metadata = items
            return Event(key, payload, from_millis(moment), metadata)
        gathered = {SET: set, FROZENSET: frozenset}[code]
        return gathered(self._unpacked_within(each) for each in items)


def of_its_own(error: Exception) -> bool:
    """Whether an error tells more than that the bytes are bad, as one of the registry does."""
    if isinstance(error, (EventRefused, DecodeError)):
        # Another one comes of an event that no one could have kept.
        return isinstance(error, StateUndeclared)
    return isinstance(error, MainstemError)


def refuse_random(cipher: Cipher) -> None:
    """ConfigurationError for a cipher under which no key would be found again."""
    once, again = cipher.encrypt(PROBE), cipher.encrypt(PROBE)
    if cipher.decrypt(once) != PROBE:
        raise ConfigurationError(
            "the cipher does not give back what it encrypted",
            hint="decrypt(encrypt(data)) must be the data",
        )
    if once != again:
        raise ConfigurationError(
            "the cipher gives other bytes for equal data, so that no key of state would be found",
            hint="use a deterministic one: AES-SIV (RFC 5297), which is"
            " cryptography.hazmat.primitives.ciphers.aead.AESSIV",
        )
