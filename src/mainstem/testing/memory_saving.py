"""Saving in memory: the checks and the codec of the real store, the terms by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from mainstem.errors import ConcurrencyConflict
from mainstem.event import Event, Key, StoredEvent, stored_event
from mainstem.metadata_codec import decode_metadata
from mainstem.postgres.concurrency.asking import asked
from mainstem.postgres.concurrency.conditions import checked_query
from mainstem.postgres.concurrency.judging import conflict, fits
from mainstem.postgres.packing import packed
from mainstem.postgres.reading.decoding import event_of
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import type_name
from mainstem.terms import AppendCondition, Decision, EventQuery, Terms
from mainstem.testing.memory_tables import NEXT, Kept, MemoryTable, MemoryTransaction
from mainstem.wire import Packer, Wire

P = TypeVar("P")


class LearningWire(Wire):
    """A wire that knows each class that was saved: a test need not name its payloads."""

    def prepare(self, cls: type) -> Packer:
        """As of Wire."""
        packer = super().prepare(cls)
        self._types.setdefault(type_name(cls), cls)
        return packer


class MemorySaving:
    """Saves events by the rules of the PostgreSQL store."""

    def __init__(self, types: Iterable[type]) -> None:
        """Nothing is known but these types of payloads."""
        self.wire = LearningWire(MemoryRegistry(), types)

    def save(
        self, transaction: MemoryTransaction, topic: str, events: Sequence[Event[P]], terms: Terms
    ) -> list[StoredEvent[P]]:
        """Save all of them or none; what was saved before with its id is answered as it was."""
        with transaction.database.lock:
            transaction.check_open()
            first = next((each.key for each in events if isinstance(each, Event)), None)
            table = transaction.database.table(topic, first)
            rows = packed(table.shape(), self.wire, events)
            asks = asked(topic, table.shape().target, rows, terms)
            before = self._saved_before(transaction, topic, asks.event_ids)
            new = [place for place, id_ in enumerate(asks.event_ids) if id_ not in before]
            if new:
                streams = {row.key for row in rows}
                if before and asks.condition is not None:
                    raise ConcurrencyConflict(
                        f"{len(before)} of the {len(rows)} event_ids are in {topic} already"
                    )
                self._check_condition(transaction, topic, asks.condition)
                check_versions(transaction, table, streams, asks.expected, partly=bool(before))
            kept = transaction.insert(
                table, [rows[place] for place in new], [asks.event_ids[place] for place in new]
            )
            came = dict(zip(new, kept, strict=True))
            return [
                stored(topic, event, came[place])
                if place in came
                else before[asks.event_ids[place]]
                for place, event in enumerate(events)
            ]

    def query(self, transaction: MemoryTransaction, topic: str, query: EventQuery) -> Decision:
        """The events that fit, and the condition that no other of them came since."""
        with transaction.database.lock:
            table = transaction.database.table(topic, query.key)
            rows, fits = transaction.visible(topic), self.matches(table, query)
            condition = AppendCondition(
                none_match=query,
                after=rows[-1].id if rows else 0,
                snapshot=f"{transaction.database.commits}:{transaction.database.commits}:",
            )
            events = tuple(self.event(topic, kept) for kept in rows if fits(kept))
            return Decision(events, condition)

    def matches(self, table: MemoryTable, query: EventQuery) -> Callable[[Kept], bool]:
        """Whether a row fits all that the query gives; EventRefused for what it cannot give."""
        wanted = checked_query(table.shape(), query)

        def fits(kept: Kept) -> bool:
            return (
                wanted.sought.key in (None, kept.row.key)
                and (not wanted.types or self.wire.type_name_of(kept.row.data) in wanted.types)
                and wanted.entries <= decode_metadata(kept.row.metadata).items()
            )

        return fits

    def event(self, topic: str, kept: Kept) -> StoredEvent[Any]:
        """The row decoded."""
        return event_of(self.wire, topic, columns(kept))

    def _saved_before(
        self, transaction: MemoryTransaction, topic: str, ids: Sequence[UUID | None]
    ) -> Mapping[UUID | None, StoredEvent[Any]]:
        """The events that were saved with these ids."""
        wanted = set(ids) - {None}
        if not wanted:
            return {}
        return {
            kept.event_id: self.event(topic, kept)
            for kept in transaction.visible(topic)
            if kept.event_id in wanted
        }

    def _check_condition(
        self, transaction: MemoryTransaction, topic: str, condition: AppendCondition | None
    ) -> None:
        """ConcurrencyConflict if an event came that the condition excludes."""
        if condition is None:
            return
        table = transaction.database.table(topic)
        fits = self.matches(table, condition.none_match)
        # In the form of PostgreSQL's: below this number all commits were seen.
        seen = None if condition.snapshot is None else int(condition.snapshot.partition(":")[0])

        def none_came(rows: Iterable[Kept]) -> None:
            for kept in rows:
                if came_after(kept, condition.after, seen) and fits(kept):
                    raise ConcurrencyConflict(
                        f"event {kept.id} of {topic} matches the append_condition"
                    )

        transaction.require(topic, none_came)


def came_after(kept: Kept, after: int, seen: int | None) -> bool:
    """Whether a row was not there yet for who knew ids up to `after`, commits up to `seen`."""
    if seen is None or kept.commit == NEXT:
        return kept.id > after
    return kept.commit > seen


def check_versions(
    transaction: MemoryTransaction,
    table: MemoryTable,
    streams: Iterable[Key],
    expected: int,
    *,
    partly: bool,
) -> None:
    """ConcurrencyConflict if one of the streams is not as expected.

    A save of which a part was saved before has moved its stream on by that.
    """
    for key in streams:
        actual = transaction.version(table, key)
        if not fits(expected, actual) or (partly and expected >= 0):
            raise conflict(table.topic, expected, actual)


def stored(topic: str, event: Event[P], kept: Kept) -> StoredEvent[P]:
    """The event with the place that it has now."""
    return stored_event(
        topic, kept.id, event.key, event.payload, event.timestamp, event.metadata, kept.version
    )


def columns(kept: Kept) -> tuple[Any, ...]:
    """The row's columns, as the real store reads them."""
    row = kept.row
    return (kept.id, row.key, row.data, row.metadata, row.timestamp, kept.version)
