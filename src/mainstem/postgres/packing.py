"""Packing: from events to rows of one table, cut into batches; every check of an event is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from mainstem.errors import EventRefused, InvalidMetadata
from mainstem.event import Event
from mainstem.postgres import naming
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
    key_column = table.column("key")
    assert key_column is not None, "the table's shape was checked"
    exact, modifier = KEY_TYPES[table.key_type].exact, key_column.type_modifier
    has_metadata, bounded = table.has_metadata, table.key_type in BOUNDED_KEYS
    rows = []
    for event in events:
        if not isinstance(event, Event):
            raise EventRefused(f"an Event is needed, not {type(event).__name__}")
        if event.metadata and not has_metadata:
            raise InvalidMetadata(
                f"{naming.table(table.topic)} has no column for metadata",
                hint=f"add it: ALTER TABLE {naming.table(table.topic)} ADD COLUMN metadata bytea",
            )
        key = exact(event.key, modifier)
        if not bounded:
            # Its bytes in Kafka are made only to be checked: their length has a bound there.
            key_bytes(key)
        metadata = wire.pack_metadata(event)
        rows.append(Row(key, wire.frame(event), metadata, event.timestamp))
    return rows


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in order, cut where a statement would hold too many of them or too many bytes."""
    start, size = 0, 0
    for index, row in enumerate(rows):
        size += len(row.data)
        if index > start and (index - start == BATCH_EVENTS_MAX or size > BATCH_BYTES_MAX):
            yield rows[start:index]
            start, size = index, len(row.data)
    yield rows[start:]
