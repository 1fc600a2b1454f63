"""Record <-> Kafka message: key, value, timestamp and headers; pure.

An event's headers are its metadata entries and three of ours: `id` (decimal), `lsn` (`0/2A1DC28`)
and `ordinal` (decimal, the place inside the PostgreSQL transaction, from 0). They are sorted by
name in UTF-16 code units, as the Java original sorts them. An event that was saved straight to
Kafka has the entries of its metadata alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from mainstem.errors import DecodeError
from mainstem.event import Position, format_lsn, parse_lsn
from mainstem.metadata_codec import utf16_sorted
from mainstem.record import Record

ID, LSN, ORDINAL = "id", "lsn", "ordinal"
PLACE = frozenset({ID, LSN, ORDINAL})
DIGITS_MAX = 19
"""Digits of the largest id; a longer number is not one of ours."""

Headers: TypeAlias = list[tuple[str, bytes]]


class Message(NamedTuple):
    """What goes into one produce call, besides the topic."""

    key: bytes
    value: bytes
    timestamp_ms: int
    headers: Headers


def message_of(record: Record, stored_id: int, lsn: bytes, ordinal: int) -> Message:
    """The Kafka message of an event at its place in commit order.

    `lsn` is what `lsn_header` gives: the replicator computes it once per transaction.
    """
    headers: Headers = [(ID, b"%d" % stored_id), (LSN, lsn), (ORDINAL, b"%d" % ordinal)]
    if record.metadata:
        entries = dict(headers) | dict(record.metadata)
        headers = [(name, entries[name]) for name in utf16_sorted(entries)]
    return Message(record.key, record.data, record.timestamp_ms, headers)


def bare_message_of(record: Record) -> Message:
    """The Kafka message of an event that has no row, and so no place in PostgreSQL."""
    entries = record.metadata
    headers = [(name, entries[name]) for name in utf16_sorted(entries)] if entries else []
    return Message(record.key, record.data, record.timestamp_ms, headers)


def lsn_header(lsn: int) -> bytes:
    """The value of the `lsn` header."""
    return format_lsn(lsn).encode()


def record_of(
    key: bytes | None,
    value: bytes | None,
    timestamp_ms: int,
    headers: Iterable[tuple[str, bytes | None]] | None,
) -> tuple[Record, int | None, Position | None]:
    """The record of a message, with the id and the position where its headers tell them.

    Messages of the Java original carry no `ordinal`, its oldest ones no `id` either.
    Raises DecodeError for a message without key or value, and for malformed headers.
    """
    if key is None or value is None:
        raise DecodeError("a Kafka message without key or value is not an event")
    entries = {name: entry or b"" for name, entry in headers or ()}
    metadata = {name: entry for name, entry in entries.items() if name not in PLACE}
    stored_id = number(entries[ID], ID) if ID in entries else None
    return Record(key, value, metadata, timestamp_ms), stored_id, position_of(entries)


def position_of(entries: dict[str, bytes]) -> Position | None:
    """The position that the headers tell, if they do."""
    if LSN not in entries or ORDINAL not in entries:
        return None
    lsn = parse_lsn(entries[LSN].decode("ascii", "replace"))
    return Position(lsn, number(entries[ORDINAL], ORDINAL))


def number(text: bytes, name: str) -> int:
    """The decimal number of a header; DecodeError for anything else."""
    if not text.isdigit() or len(text) > DIGITS_MAX:
        raise DecodeError(f"header `{name}` is not a decimal number")
    return int(text)
