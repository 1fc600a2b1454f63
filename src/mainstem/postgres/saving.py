"""Saving: from events to statements, with every check before the first row is sent; pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from mainstem.errors import (
    ConfigurationError,
    EventRefused,
    MainstemError,
    ServerUnavailable,
    TableChanged,
)
from mainstem.event import Event, StoredEvent, stored_event
from mainstem.postgres import naming, sharing
from mainstem.postgres.batch import Batch, appending, drafted, plainly
from mainstem.postgres.concurrency.asking import asked
from mainstem.postgres.concurrency.conditions import checked_query, deciding, guarded
from mainstem.postgres.concurrency.judging import AnotherTable, Ground, Item
from mainstem.postgres.concurrency.singly import each
from mainstem.postgres.inserting import inserting, left_out
from mainstem.postgres.packing import packed, packed_one
from mainstem.postgres.plan import Call, Plan, Scope
from mainstem.postgres.sharing import Outcome
from mainstem.postgres.statements import Row, insert_one
from mainstem.postgres.table import EventTable, inspection, shape_problem
from mainstem.terms import NO_TERMS, Decision, EventQuery, Terms
from mainstem.wire import Wire

P = TypeVar("P")

PACKED_INLINE_MAX: Final = 300
"""More events than these are packed beside an event loop, not on it."""


class Single(NamedTuple):
    """One event of one caller, with what the caller expects."""

    event: Event[Any]
    terms: Terms = NO_TERMS


class Saving:
    """Plans the saves of one store, and remembers tables and payload classes it has seen."""

    def __init__(self, wire: Wire) -> None:
        """Plan with this wire; nothing is known yet."""
        self._wire = wire
        self._tables: dict[tuple[tuple[bytes, bytes, bytes], str], EventTable] = {}
        self._packed: set[type] = set()
        self.numbered: set[str] = set()
        """Topics where a save may wait for another transaction: two rows of it may exclude."""

    def one(
        self, scope: Scope, topic: str, event: Event[P], terms: Terms = NO_TERMS
    ) -> Plan[StoredEvent[P]]:
        """Save one event; answers it with its id, and its version where the topic has them.

        It is one statement, unless it must wait for others or the terms hold a condition.
        """
        table = self._tables.get((scope.database, topic))
        if table is not None and table.plain and terms is NO_TERMS:
            saved = yield from self._usual(scope, table, event)
            if saved is not None:
                return saved
        (stored,) = yield from self.many(scope, topic, (event,), terms)
        return stored

    def _usual(
        self, scope: Scope, table: EventTable, event: Event[P]
    ) -> Plan[StoredEvent[P] | None]:
        """Save an event as most are, in a few steps; None where more must be done first."""
        if not isinstance(event, Event) or type(event.payload) not in self._packed:
            return None
        try:
            row = packed_one(table, self._wire, event)
        except EventRefused:
            return None
        try:
            answer = yield insert_one(table.target, row, commits=scope.own)
        except TableChanged:
            self._tables.pop((scope.database, table.topic), None)
            if not scope.own:
                raise
            return None
        if not answer:
            return None
        key, payload, moment, metadata = event.key, event.payload, event.timestamp, event.metadata
        return stored_event(table.topic, answer[0][0], key, payload, moment, metadata, None)

    def many(
        self, scope: Scope, topic: str, events: Sequence[Event[P]], terms: Terms = NO_TERMS
    ) -> Plan[list[StoredEvent[P]]]:
        """Save all of the events or none; answers them in their order with their ids.

        `terms.expected_version` is about the streams as they are before this save. Events whose
        `terms.event_ids` are saved already come back as they were saved first.
        """
        if not events:
            return []
        saved = yield from self._remembered(scope, naming.checked(topic), events, terms)
        if not saved:
            table = yield from self._look_up(scope, topic)
            batch = yield from self._batch(table, events, terms)
            saved = yield from self._carried_out(scope, batch)
        if not saved:
            raise left_out(topic, 0, len(events))
        return saved

    def singles(self, scope: Scope, topic: str, entries: Sequence[Single]) -> Plan[list[Outcome]]:
        """Save each of them or not, by one statement where it can be; answers each outcome.

        For connections of our own. What is raised concerns all, and then nothing is saved.
        """
        assert scope.own, "each of them is a transaction"
        table = self._tables.get((scope.database, naming.checked(topic)))
        if table is None:
            table = yield from self._look_up(scope, topic)
        if not table.versioned and all(entry.terms == NO_TERMS for entry in entries):
            return (yield from self._shared(scope, table, [entry.event for entry in entries]))
        try:
            return (yield from self._each(scope, table, entries))
        except TableChanged:
            table = yield from self._look_up(scope, topic)
            return (yield from self._each(scope, table, entries))

    def _shared(
        self, scope: Scope, table: EventTable, events: Sequence[Event[Any]]
    ) -> Plan[list[Outcome]]:
        """The outcomes of events without terms, for a table that has nothing to add.

        An event that does not fit, or met another table, is tried once more by itself: then the
        table is looked at afresh if need be.
        """
        packed_each = yield from self._packed_each(table, events)
        fit = [place for place, row in enumerate(packed_each) if isinstance(row, Row)]
        rows = [row for row in packed_each if isinstance(row, Row)]
        found = yield from sharing.each(table, [events[place] for place in fit], rows)
        if None in found:
            self._tables.pop((scope.database, table.topic), None)
        outcomes: dict[int, Outcome] = {
            place: outcome for place, outcome in zip(fit, found, strict=True) if outcome is not None
        }
        for place, row in enumerate(packed_each):
            if place in outcomes:
                continue
            if isinstance(row, Exception) and not isinstance(row, EventRefused):
                outcomes[place] = row
            elif sharing.lost(outcomes.values()):
                outcomes[place] = sharing.not_sent()
            else:
                outcomes[place] = yield from self._alone(
                    scope, table.topic, events[place], NO_TERMS
                )
        return [outcomes[place] for place in range(len(events))]

    def _packed_each(
        self, table: EventTable, events: Sequence[Event[Any]]
    ) -> Plan[list[Row | Exception]]:
        """Each event's row, or why there is none: whatever it is, it concerns that event alone.

        A registry that is away is asked once for each class of payloads.
        """
        try:
            return list((yield from self._rows(table, events)))
        except Exception as error:  # noqa: BLE001  # Whatever it is, it is this event's.
            if len(events) == 1:
                return [error]
        away: dict[type, ServerUnavailable] = {}
        results: list[Row | Exception] = []
        for event in events:
            cls = type(getattr(event, "payload", None))
            if cls in away:
                results.append(away[cls].again())
                continue
            (result,) = yield from self._packed_each(table, [event])
            if isinstance(result, ServerUnavailable):
                away[cls] = result
            results.append(result)
        return results

    def rows(self, scope: Scope, topic: str, rows: Sequence[Row]) -> Plan[list[int]]:
        """Insert rows that were encoded before, all or none; answers their ids."""
        if not rows:
            return []
        table = self._tables.get((scope.database, naming.checked(topic)))
        ids: list[int] = []
        if table is not None and not table.versioned:
            try:
                ids = yield from inserting(table, rows, own=scope.own)
            except TableChanged:
                self._tables.pop((scope.database, topic), None)
                if not scope.own:
                    raise
        if not ids:
            table = yield from self._look_up(scope, topic)
            if table.versioned:
                raise ConfigurationError(
                    f"rows have no versions, and events.{topic} is versioned",
                    hint="save events: save_many numbers them",
                )
            ids = yield from inserting(table, rows, own=scope.own)
        if len(ids) != len(rows):
            raise left_out(topic, len(ids), len(rows))
        return ids

    def query(self, scope: Scope, topic: str, event_query: EventQuery) -> Plan[Decision]:
        """The events that fit, and the condition for saving what was decided on them."""
        table = self._tables.get((scope.database, naming.checked(topic)))
        try:
            if table is not None:
                return (yield from self._decided(scope, table, event_query))
        except TableChanged as error:
            self._tables.pop((scope.database, topic), None)
            if not (scope.own or isinstance(error, AnotherTable)):
                raise
        table = yield from self._look_up(scope, topic)
        return (yield from self._decided(scope, table, event_query))

    def _decided(self, scope: Scope, table: EventTable, event_query: EventQuery) -> Plan[Decision]:
        """The answer to `query`, from this table."""
        query = checked_query(table, event_query)
        return (yield from deciding(self._ground(scope, table), event_query, query))

    def _remembered(
        self, scope: Scope, topic: str, events: Sequence[Event[Any]], terms: Terms
    ) -> Plan[list[StoredEvent[Any]]]:
        """Save by what is remembered of the table; nothing if the table must be looked at.

        It must if it was dropped, altered or replaced, and if it seems that an event or the
        terms do not fit: looked at afresh, the table may take them.
        """
        table = self._tables.get((scope.database, topic))
        if table is None:
            return []
        try:
            batch = yield from self._batch(table, events, terms)
        except (EventRefused, ConfigurationError):
            return []
        try:
            return (yield from self._carried_out(scope, batch))
        except AnotherTable:
            self._tables.pop((scope.database, topic), None)
            return []
        except TableChanged:
            self._tables.pop((scope.database, topic), None)
            # The caller's transaction has failed with the statement: only the caller can go on.
            if not scope.own:
                raise
            return []

    def _batch(self, table: EventTable, events: Sequence[Event[Any]], terms: Terms) -> Plan[Batch]:
        """The events and the terms, fit for this table."""
        rows = yield from self._rows(table, events)
        plain = terms is NO_TERMS and not table.versioned
        asking = None if plain else asked(table.topic, table.target, rows, terms)
        return Batch(table, events, rows, asking)

    def _carried_out(self, scope: Scope, batch: Batch) -> Plan[list[StoredEvent[Any]]]:
        """Save the batch; nothing if the table is not the one that was looked up."""
        if batch.asked is None:
            return (yield from plainly(batch, own=scope.own))
        ground = self._ground(scope, batch.table)
        condition = batch.asked.condition
        if condition is None:
            return (yield from appending(ground, batch))
        query = checked_query(batch.table, condition.none_match)
        insert = partial(appending, ground._replace(own=False), batch)
        return (yield from guarded(ground, condition, query, batch.items(), insert))

    def _each(
        self, scope: Scope, table: EventTable, entries: Sequence[Single]
    ) -> Plan[list[Outcome]]:
        """The outcome of each entry; conditional ones are transactions of their own."""
        free = [place for place, entry in enumerate(entries) if not entry.terms.append_condition]
        items = yield from self._items(table, [entries[place] for place in free])
        ready = [place for place, item in zip(free, items, strict=True) if item is not None]
        appended = yield from each(
            self._ground(scope, table), [item for item in items if item is not None]
        )
        outcomes: dict[int, Outcome] = dict(zip(ready, appended, strict=True))
        for place, (event, terms) in enumerate(entries):
            if place not in outcomes:
                outcomes[place] = yield from self._alone(scope, table.topic, event, terms)
        return [outcomes[place] for place in range(len(entries))]

    def _items(self, table: EventTable, entries: Sequence[Single]) -> Plan[list[Item | None]]:
        """The entries with what they expect; None for one that does not seem to fit."""
        target = table.target
        try:
            rows = yield from self._rows(table, [entry.event for entry in entries])
            return [
                Item(entry.event, drafted(table.topic, target, row, entry.terms))
                for entry, row in zip(entries, rows, strict=True)
            ]
        except ServerUnavailable:
            raise
        except MainstemError:
            if len(entries) == 1:
                # By itself it is tried again, with the table as it is then.
                return [None]
        items: list[Item | None] = []
        for entry in entries:
            items += yield from self._items(table, [entry])
        return items

    def _alone(self, scope: Scope, topic: str, event: Event[Any], terms: Terms) -> Plan[Outcome]:
        """The outcome of one entry."""
        try:
            return (yield from self.one(scope, topic, event, terms))
        except Exception as error:  # noqa: BLE001  # Whatever it is, it is this caller's.
            return error

    def _ground(self, scope: Scope, table: EventTable) -> Ground:
        """Where events of this table are appended."""
        return Ground(table.topic, table.target, self._wire, scope.own)

    def _look_up(self, scope: Scope, topic: str) -> Plan[EventTable]:
        """The table as it is now, by a SELECT on the connection that is to insert."""
        table = yield from inspection(topic)
        problem = shape_problem(table)
        if problem is not None:
            raise ConfigurationError(
                f"events cannot be saved to events.{topic}: {problem}",
                hint="compare with a table made by: mainstem topic create NAME",
            )
        self._tables[scope.database, topic] = table
        if table.versioned:
            self.numbered.add(topic)
        return table

    def _rows(self, table: EventTable, events: Sequence[Event[Any]]) -> Plan[list[Row]]:
        """The events as rows; a class not seen before is registered, which may wait."""
        pack = partial(packed, table, self._wire, events)
        classes = {type(event.payload) for event in events if isinstance(event, Event)}
        if classes <= self._packed and len(events) <= PACKED_INLINE_MAX:
            return pack()
        rows: list[Row] = yield Call(pack)
        self._packed |= classes
        return rows
