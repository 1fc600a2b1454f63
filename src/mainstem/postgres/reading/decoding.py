"""Decoding: rows of a page -> stored events; pure but for a registry that is asked once a schema.

A row that cannot be decoded ends the page: what stands before it is given first, and then the
error, which names the topic and the row's id. Nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from mainstem.errors import DecodeError, MainstemError, ServerUnavailable
from mainstem.event import NO_METADATA, Key, StoredEvent, floored, stored_event
from mainstem.metadata_codec import decode_metadata
from mainstem.wire import Wire

ROW_COLUMNS: Final = 5
"""A version follows them where the topic has versions."""
NO_TIME: Final = "its timestamp lies outside the years 1 to 9999"


class StoredRow(NamedTuple):
    """One event as the columns of its table, which nobody decoded."""

    id: int
    key: Key
    data: bytes
    """The frame: byte 0, the schema's id, the Avro body."""
    metadata: bytes | None
    timestamp: datetime


class Decoded(NamedTuple):
    """The events of a page, and the error that ended it before its end."""

    events: list[StoredEvent[Any]]
    failure: MainstemError | None = None


def decoded(
    wire: Wire, topic: str, rows: Sequence[Sequence[Any]], types: frozenset[str]
) -> Decoded:
    """The events of these rows whose payload is one of `types`, all of them where it is empty.

    The type is read from the frame's head: payloads that are not wanted are not decoded.
    """
    events: list[StoredEvent[Any]] = []
    for row in rows:
        try:
            if not types or wire.type_name_of(row[2]) in types:
                events.append(event_of(wire, topic, row))
        except ServerUnavailable as error:
            return Decoded(events, error)
        except MainstemError as error:
            return Decoded(events, unreadable(f"event {row[0]} of {topic}", error))
    return Decoded(events)


def unreadable(what: str, error: MainstemError) -> DecodeError:
    """The error that names the event, from one that does not."""
    failure = DecodeError(f"{what} cannot be read: {error.message}")
    failure.__cause__ = error
    return failure


def event_of(wire: Wire, topic: str, row: Sequence[Any]) -> StoredEvent[Any]:
    """The event of a row; DecodeError, and what the registry raises."""
    id_, key, data, metadata, timestamp = row[:ROW_COLUMNS]
    if key is None or data is None:
        raise DecodeError("its key or its data is NULL")
    payload = wire.payload(data)
    return stored_event(
        topic,
        id_,
        key,
        payload,
        utc(timestamp),
        MappingProxyType(decode_metadata(metadata)) if metadata else NO_METADATA,
        row[5] if len(row) > ROW_COLUMNS else None,
    )


def raw_rows(topic: str, rows: Sequence[Sequence[Any]]) -> list[StoredRow]:
    """The rows themselves, with their times in UTC; DecodeError for a time beyond Python's years.

    A connection whose time zone is UTC answers in it, which saves a third of the time.
    """
    if all([row[4] is not None and row[4].tzinfo is UTC for row in rows]):  # noqa: C419  # A list is faster.
        made = StoredRow._make if not rows or len(rows[0]) == ROW_COLUMNS else first_columns
        return list(map(made, rows))
    return [raw_row(topic, row) for row in rows]


def first_columns(row: Sequence[Any]) -> StoredRow:
    """The row without the column of versions."""
    return StoredRow._make(row[:ROW_COLUMNS])


def raw_row(topic: str, row: Sequence[Any]) -> StoredRow:
    """The row itself, with its time in UTC; DecodeError for one beyond Python's years."""
    id_, key, data, metadata, timestamp = row[:ROW_COLUMNS]
    if timestamp is None:
        raise DecodeError(f"row {id_} of {topic} cannot be read: {NO_TIME}")
    return StoredRow(id_, key, data, metadata, timestamp.astimezone(UTC))


def utc(timestamp: datetime | None) -> datetime:
    """The time in UTC, floored to the millisecond; DecodeError for one beyond Python's years."""
    if timestamp is None:
        raise DecodeError(NO_TIME)
    return floored(timestamp)
