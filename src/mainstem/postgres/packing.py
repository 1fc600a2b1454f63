"""Packing: from events to rows of one table, cut into batches; every check of an event is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from mainstem.errors import EventRefused, InvalidMetadata
from mainstem.event import Event
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.statements import Row
from mainstem.postgres.table import EventTable
from mainstem.wire import Wire, key_bytes

BATCH_EVENTS_MAX: Final = 1000
"""Rows of one INSERT: beyond it nothing is gained (facts: 100 to 1000 gains a factor of 2)."""
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
"""Payload of one INSERT, unless a single event is larger; a message ends at 1 GB."""
BOUNDED_KEYS: Final = frozenset({"uuid", "bigint", "integer", "smallint", "boolean"})
"""Key types whose every value fits a Kafka key."""


def packed(table: EventTable, wire: Wire, events: Iterable[Event[Any]]) -> list[Row]:
    """The rows of these events; EventRefused, by its subclasses, for the first that is not fit."""
    return [packed_one(table, wire, event) for event in events]


def packed_one(table: EventTable, wire: Wire, event: Event[Any]) -> Row:
    """The row of this event; EventRefused, by its subclasses, if it is not fit."""
    if not isinstance(event, Event):
        raise EventRefused(f"an Event is needed, not {type(event).__name__}")
    key_type = table.target.key_type
    column = table.column("key")
    assert column is not None, "the table's shape was checked"
    key = KEY_TYPES[key_type].exact(event.key, column.type_modifier)
    if key_type not in BOUNDED_KEYS:
        # Its bytes in Kafka are made only to be checked: their length has a bound there.
        key_bytes(key)
    metadata = wire.pack_metadata(event) if event.metadata else None
    if metadata is not None and not table.has_metadata:
        raise InvalidMetadata(
            f"{table.target.name} has no column for metadata",
            hint=f"add it: ALTER TABLE {table.target.name} ADD COLUMN metadata bytea",
        )
    return Row(key, wire.frame(event), metadata, event.timestamp)


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in order, cut where a statement would hold too many of them or too many bytes."""
    start, size = 0, 0
    for index, row in enumerate(rows):
        size += len(row.data)
        if index > start and (index - start == BATCH_EVENTS_MAX or size > BATCH_BYTES_MAX):
            yield rows[start:index]
            start, size = index, len(row.data)
    yield rows[start:]
