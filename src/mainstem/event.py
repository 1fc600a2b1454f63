"""The values that users hold: an event before it is saved, and one that came back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, Self, TypeAlias, TypeVar
from uuid import UUID

from mainstem.errors import DecodeError, EventRefused, InvalidMetadata, NaiveDatetime

P = TypeVar("P")

Key: TypeAlias = UUID | str | int | Decimal | bool | bytes
"""What an event may be keyed by; the table's key column decides which."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NO_METADATA: Mapping[str, bytes] = MappingProxyType({})
NO_ROW: Final = 0
"""The id of an event that is in Kafka alone; rows have ids from 1."""
LSN_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


class Position(NamedTuple):
    """The place of an event in commit order; positions compare as events committed."""

    lsn: int
    """Commit LSN of the PostgreSQL transaction that saved the event."""
    ordinal: int
    """Place inside that transaction, from 0."""

    def __str__(self) -> str:
        """`0/1A2B3C8:0`, as logs and headers show it."""
        return f"{format_lsn(self.lsn)}:{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0/1A2B3C8:0`; DecodeError for anything else."""
        lsn, _, ordinal = text.partition(":")
        if not (ordinal.isascii() and ordinal.isdigit()):
            raise DecodeError(f"{text!r} is not a position such as 0/1A2B3C8:0")
        return cls(parse_lsn(lsn), int(ordinal))


@dataclass(frozen=True, slots=True)
class Event(Generic[P]):
    """Something that happened: immutable, and equal to another by value.

    `timestamp` is when it happened (default: now); it must carry a time zone and is kept in UTC,
    floored to the millisecond, so that what comes back equals what was saved.
    `metadata` is copied and cannot be changed afterwards.

    Raises EventRefused where key or payload is None, NaiveDatetime and InvalidMetadata.
    """

    key: Key
    payload: P
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))
    metadata: Mapping[str, bytes] = field(default_factory=lambda: NO_METADATA)

    def __post_init__(self) -> None:
        """Refuse what cannot be an event; floor the time, freeze the metadata."""
        if self.key is None or self.payload is None:
            raise EventRefused("an event needs a key and a payload; one of them is None")
        object.__setattr__(self, "timestamp", floored(self.timestamp))
        object.__setattr__(self, "metadata", frozen(self.metadata))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled and copied: the view of its metadata could not be."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return restored, (type(self), values | {"metadata": dict(self.metadata)})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent(Event[P]):
    """An event that came back from a table or a topic, with what is known of its place."""

    topic: str
    id: int
    """Primary key of its row in `events.<topic>`; NO_ROW where it was saved straight to Kafka."""
    position: Position | None = None
    """Place in commit order; known when it came through Kafka."""
    partition: int | None = None
    offset: int | None = None
    version: int | None = None
    """Its number among the events of its key, from 1; known where the topic is versioned."""


def restored(cls: type[Event[Any]], values: dict[str, Any]) -> Event[Any]:
    """The event behind what it was pickled as."""
    return cls(**values)


def refuse_change(event: Event[Any], name: str, value: object) -> None:
    """Events are immutable."""
    del event, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


# What dataclasses make for frozen classes with slots raises TypeError until Python 3.13 where
# `Event[P](…)` notes the type of its payload, which typing allows to fail by AttributeError only.
Event.__setattr__ = StoredEvent.__setattr__ = refuse_change  # type: ignore[method-assign, assignment]  # as said


@dataclass(frozen=True, slots=True)
class GenericPayload:
    """A payload whose class the reader did not name: its Avro full name and its fields."""

    type_name: str
    fields: dict[str, Any]


(
    SET_KEY,
    SET_PAYLOAD,
    SET_TIMESTAMP,
    SET_METADATA,
    SET_TOPIC,
    SET_ID,
    SET_POSITION,
    SET_PARTITION,
    SET_OFFSET,
    SET_VERSION,
) = (getattr(StoredEvent, entry.name).__set__ for entry in fields(StoredEvent))
"""The slots of a stored event, in the order of its fields."""


def stored_event(  # noqa: PLR0913, PLR0917  # The columns of a row, one call for each row.
    topic: str,
    id_: int,
    key: Key,
    payload: P,
    timestamp: datetime,
    metadata: Mapping[str, bytes],
    version: int | None,
) -> StoredEvent[P]:
    """The event of a row, whose values were checked when it was saved: nothing is checked again.

    The time must be in UTC and floored, and the metadata read-only. It takes a quarter of the
    time of `StoredEvent(…)`.
    """
    event: StoredEvent[P] = object.__new__(StoredEvent)
    SET_KEY(event, key)
    SET_PAYLOAD(event, payload)
    SET_TIMESTAMP(event, timestamp)
    SET_METADATA(event, metadata)
    SET_TOPIC(event, topic)
    SET_ID(event, id_)
    SET_POSITION(event, None)
    SET_PARTITION(event, None)
    SET_OFFSET(event, None)
    SET_VERSION(event, version)
    return event


class Whereabouts(NamedTuple):
    """Where in Kafka an event came from."""

    position: Position | None
    partition: int
    offset: int


def arrived_event(  # noqa: PLR0913, PLR0917  # As stored_event, one call for each message.
    topic: str,
    id_: int,
    key: Key,
    payload: P,
    timestamp: datetime,
    metadata: Mapping[str, bytes],
    whereabouts: Whereabouts,
) -> StoredEvent[P]:
    """The event of a committed message, as `stored_event` makes those of rows."""
    event: StoredEvent[P] = object.__new__(StoredEvent)
    SET_KEY(event, key)
    SET_PAYLOAD(event, payload)
    SET_TIMESTAMP(event, timestamp)
    SET_METADATA(event, metadata)
    SET_TOPIC(event, topic)
    SET_ID(event, id_)
    position, partition, offset = whereabouts
    SET_POSITION(event, position)
    SET_PARTITION(event, partition)
    SET_OFFSET(event, offset)
    SET_VERSION(event, None)
    return event


def floored(moment: datetime) -> datetime:
    """The moment in UTC, floored to the millisecond, before 1970 too."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise NaiveDatetime(f"the event's timestamp {moment.isoformat()} has no time zone")
        moment = moment.astimezone(UTC)
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment


def frozen(metadata: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """A read-only copy of the metadata; InvalidMetadata unless it maps str to bytes."""
    if metadata is NO_METADATA:
        return metadata
    if not isinstance(metadata, Mapping):
        raise InvalidMetadata(f"metadata must map str to bytes, not be {type(metadata).__name__}")
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise InvalidMetadata(
                f"metadata must map str to bytes; entry {name!r} holds {type(value).__name__}"
            )
    return MappingProxyType(dict(metadata)) if metadata else NO_METADATA


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of a moment with a time zone, floored."""
    return (moment - EPOCH) // MILLISECOND


def from_millis(millis: int) -> datetime:
    """The moment `millis` milliseconds after 1970, in UTC; DecodeError beyond years 1-9999."""
    try:
        # By position: keywords take twice the time, and this is done for every event.
        return EPOCH + timedelta(0, millis // 1000, millis % 1000 * 1000)
    except OverflowError as error:
        raise DecodeError(f"timestamp {millis} ms lies outside the years 1 to 9999") from error


def format_lsn(lsn: int) -> str:
    """`0/1A2B3C8`, as PostgreSQL's pg_lsn prints it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The integer behind `0/1A2B3C8`; DecodeError for anything else."""
    match = LSN_TEXT.fullmatch(text)
    if match is None:
        raise DecodeError(f"{text!r} is not an LSN such as 0/1A2B3C8")
    return int(match[1], 16) << 32 | int(match[2], 16)
