"""InternalValues: what stored events, and what MessagePack does not have, are kept as; pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from mainstem.errors import ConfigurationError, ValueOutOfRange
from mainstem.event import (
    EPOCH,
    NO_METADATA,
    Position,
    StoredEvent,
    Whereabouts,
    arrived_event,
    from_millis,
    frozen,
    to_millis,
)

MICROSECOND: Final = timedelta(microseconds=1)
NAIVE_EPOCH: Final = EPOCH.replace(tzinfo=None)
FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)

(
    STORED_EVENT,
    EVENT,
    PAYLOAD,
    GENERIC,
    MOMENT,
    NAIVE_MOMENT,
    DATE,
    TIME,
    DURATION,
    UUID_,
    DECIMAL,
    WHOLE,
    TUPLE,
    SET,
    FROZENSET,
) = range(1, 16)
"""Codes of the extension types, for ever."""


def fields_of(event: StoredEvent[Any]) -> list[Any]:
    """What is kept of an event, in this order."""
    return [
        event.key,
        event.payload,
        to_millis(event.timestamp),
        dict(event.metadata) if event.metadata else None,
        event.topic,
        event.id,
        None if event.position is None else list(event.position),
        event.partition,
        event.offset,
        event.version,
    ]


def stored_event_of(fields: list[Any]) -> StoredEvent[Any]:
    """The event behind what is kept of it."""
    key, payload, moment, metadata, topic, event_id, position, partition, offset, version = fields
    at = from_millis(moment)
    known = frozen(metadata) if metadata else NO_METADATA
    place = None if position is None else Position(*position)
    if partition is not None and version is None:
        # From Kafka, as nearly all are: made in a quarter of the time.
        whereabouts = Whereabouts(place, partition, offset)
        return arrived_event(topic, event_id, key, payload, at, known, whereabouts)
    return StoredEvent(
        key,
        payload,
        at,
        known,
        topic=topic,
        id=event_id,
        position=place,
        partition=partition,
        offset=offset,
        version=version,
    )


def whole(value: int) -> bytes:
    """A number of any size, in two's complement."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def micros(value: timedelta) -> bytes:
    """A duration in microseconds."""
    return whole(value // MICROSECOND)


def of_micros(data: bytes) -> timedelta:
    """The duration again."""
    return timedelta(microseconds=int.from_bytes(data, "big", signed=True))


def moment_code(value: datetime) -> int:
    """Which of the two kinds of moments it is."""
    return NAIVE_MOMENT if value.tzinfo is None else MOMENT


def written_moment(value: datetime) -> bytes:
    """A moment with a time zone, which comes back in UTC; ValueOutOfRange if it could not."""
    if not FIRST <= value <= LAST:
        raise ValueOutOfRange("a moment lies outside the years 1 to 9999 of UTC")
    return micros(value - EPOCH)


def written_time(value: time) -> bytes:
    """A time of day; ConfigurationError for one whose zone depends on the day."""
    if value.tzinfo is not None and value.utcoffset() is None:
        raise ConfigurationError(
            "a time whose zone has another offset in summer cannot be kept in state",
            hint="keep a datetime, or the time and the zone's name",
        )
    return value.isoformat().encode()


PLAIN: Final[dict[type, int]] = {
    date: DATE,
    time: TIME,
    timedelta: DURATION,
    UUID: UUID_,
    Decimal: DECIMAL,
    int: WHOLE,
}
WRITERS: Final[dict[int, Callable[[Any], bytes]]] = {
    MOMENT: written_moment,
    NAIVE_MOMENT: lambda value: micros(value - NAIVE_EPOCH),
    DATE: lambda value: whole(value.toordinal()),
    TIME: written_time,
    DURATION: micros,
    UUID_: lambda value: value.bytes,
    DECIMAL: lambda value: str(value).encode(),
    WHOLE: whole,
}
READERS: Final[dict[int, Callable[[bytes], Any]]] = {
    MOMENT: lambda data: EPOCH + of_micros(data),
    NAIVE_MOMENT: lambda data: NAIVE_EPOCH + of_micros(data),
    DATE: lambda data: date.fromordinal(int.from_bytes(data, "big", signed=True)),
    TIME: lambda data: time.fromisoformat(data.decode()),
    DURATION: of_micros,
    UUID_: lambda data: UUID(bytes=data),
    DECIMAL: lambda data: Decimal(data.decode()),
    WHOLE: lambda data: int.from_bytes(data, "big", signed=True),
}
