"""Letter: an event as it is set aside, and back again; pure."""

from __future__ import annotations

from typing import NamedTuple, Self

from mainstem.errors import DecodeError
from mainstem.event import Position, format_lsn, parse_lsn
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.records import ID, LSN, ORDINAL, PLACE
from mainstem.metadata_codec import decode_metadata, utf16_sorted, varint

ERROR_CHARACTERS_MAX = 2_000
DIGITS_MAX = 19


class Trouble(NamedTuple):
    """Why an event could not be applied."""

    error_type: str
    error: str
    attempts: int


class Letter(NamedTuple):
    """A message of a topic, as its row holds it."""

    topic: str
    partition: int
    offset: int
    event_id: int | None
    key: bytes | None
    data: bytes | None
    metadata: bytes | None
    timestamp_ms: int
    lsn: str | None
    ordinal: int | None

    @classmethod
    def of(cls, delivered: Delivered) -> Self:
        """The row of a message, whatever its bytes are."""
        headers = dict(delivered.headers or ())
        metadata = {name: entry or b"" for name, entry in headers.items() if name not in PLACE}
        return cls(
            delivered.topic,
            delivered.partition,
            delivered.offset,
            whole(headers.get(ID)),
            delivered.key,
            delivered.value,
            map_bytes(metadata) if metadata else None,
            delivered.timestamp_ms,
            lsn_text(headers.get(LSN)),
            whole(headers.get(ORDINAL)),
        )

    def delivered(self) -> Delivered:
        """The message again; DecodeError for metadata that no event may have."""
        entries: dict[str, bytes | None] = {}
        if self.event_id is not None:
            entries[ID] = b"%d" % self.event_id
        if self.lsn is not None:
            entries[LSN] = self.lsn.encode()
        if self.ordinal is not None:
            entries[ORDINAL] = b"%d" % self.ordinal
        if self.metadata is not None:
            entries |= decode_metadata(self.metadata)
        return Delivered(
            self.topic,
            self.partition,
            self.offset,
            self.key,
            self.data,
            self.timestamp_ms,
            list(entries.items()),
        )

    @property
    def position(self) -> Position | None:
        """Its place in commit order, where it is known."""
        if self.lsn is None or self.ordinal is None:
            return None
        return Position(parse_lsn(self.lsn), self.ordinal)


def trouble_of(reason: BaseException, attempts: int) -> Trouble:
    """What is kept of an error; its text may hold a payload, as the row beside it does."""
    return Trouble(f"{type(reason).__module__}.{type(reason).__qualname__}", said(reason), attempts)


def said(reason: BaseException) -> str:
    """The text of an error, as PostgreSQL can hold it, whatever the error is."""
    try:
        text = str(reason)
    except Exception:  # noqa: BLE001  # Keeping an error must not raise the next one.
        return ""
    shortened = text.replace("\x00", "")[:ERROR_CHARACTERS_MAX]
    return shortened.encode("utf-8", "replace").decode()


def map_bytes(metadata: dict[str, bytes]) -> bytes:
    """The Avro map of the entries, without the bounds that events have: nothing is left out."""
    parts = [varint(len(metadata))]
    for name in utf16_sorted(metadata):
        encoded, value = name.encode("utf-8", "replace"), metadata[name]
        parts += (varint(len(encoded)), encoded, varint(len(value)), value)
    return b"".join((*parts, b"\0"))


def whole(header: bytes | None) -> int | None:
    """The number of a header, where it is one of 64 bits."""
    if header is None or not header.isdigit() or len(header) > DIGITS_MAX:
        return None
    number = int(header)
    return number if number < 2**63 else None


def lsn_text(header: bytes | None) -> str | None:
    """The LSN of a header, where it is one."""
    if header is None:
        return None
    try:
        return format_lsn(parse_lsn(header.decode("ascii", "replace")))
    except DecodeError:
        return None
