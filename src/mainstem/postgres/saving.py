"""Saving: from events to statements, with every check before the first row is sent; pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from mainstem.errors import ConfigurationError, EventRefused, MainstemError, TableChanged
from mainstem.event import Event, StoredEvent
from mainstem.postgres import naming, statements
from mainstem.postgres.packing import batches, packed
from mainstem.postgres.plan import Call, Plan, Scope
from mainstem.postgres.statements import Row, Statement, Target
from mainstem.postgres.table import EventTable, inspection, shape_problem
from mainstem.terms import NO_TERMS, Terms
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

    def one(
        self, scope: Scope, topic: str, event: Event[P], terms: Terms = NO_TERMS
    ) -> Plan[StoredEvent[P]]:
        """Save one event by one statement; answers it with its id."""
        (stored,) = yield from self.many(scope, topic, (event,))
        return stored

    def singles(
        self, scope: Scope, topic: str, entries: Sequence[Single]
    ) -> Plan[list[StoredEvent[Any] | MainstemError]]:
        """Save each of them or not, by one statement where it can be; answers each outcome."""
        stored = yield from self.many(scope, topic, [entry.event for entry in entries])
        return list(stored)

    def many(
        self, scope: Scope, topic: str, events: Sequence[Event[P]], terms: Terms = NO_TERMS
    ) -> Plan[list[StoredEvent[P]]]:
        """Save all of the events or none; answers them in their order with their ids."""
        if not events:
            return []
        ids = yield from self._remembered(scope, naming.checked(topic), events)
        if not ids:
            table = yield from self._look_up(scope, topic)
            rows = yield from self._rows(table, events)
            ids = yield from inserting(table, rows, own=scope.own)
        if len(ids) != len(events):
            raise EventRefused(
                f"PostgreSQL inserted {len(ids)} of {len(events)} events into events.{topic}",
                hint="look for a trigger or rule on the table that drops rows",
            )
        return [stored(topic, event, id_) for event, id_ in zip(events, ids, strict=True)]

    def _remembered(
        self, scope: Scope, topic: str, events: Sequence[Event[Any]]
    ) -> Plan[list[int]]:
        """Insert by what is remembered of the table; no ids if the table must be looked at.

        It must if it was dropped, altered or replaced, and if it seems that an event does not
        fit: looked at afresh, the table may take it.
        """
        table = self._tables.get((scope.database, topic))
        if table is None:
            return []
        try:
            rows = yield from self._rows(table, events)
        except EventRefused:
            return []
        try:
            return (yield from inserting(table, rows, own=scope.own))
        except TableChanged:
            del self._tables[scope.database, topic]
            # The caller's transaction has failed with the statement: only the caller can go on.
            if not scope.own:
                raise
            return []

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


def inserting(table: EventTable, rows: Sequence[Row], *, own: bool) -> Plan[list[int]]:
    """Insert the rows and answer their ids; all in one transaction, if it is ours to begin.

    No ids, and nothing inserted, if the table is not the one that was looked up.
    """
    target = Target(naming.table(table.topic), table.key_type, table.oid)
    chunks = list(batches(rows))
    alone = own and len(chunks) == 1
    begins = own and not alone
    ids: list[int] = []
    if begins:
        yield statements.BEGIN
    try:
        for chunk in chunks:
            answer = yield insertion(target, chunk)._replace(commits=alone)
            ids += [id_ for (id_,) in answer]
            if not answer:
                break
    except TableChanged:
        if begins:
            yield statements.ROLLBACK
        raise
    if begins:
        yield statements.COMMIT if len(ids) == len(rows) else statements.ROLLBACK
    return ids


def insertion(target: Target, rows: Sequence[Row]) -> Statement:
    """The statement that inserts these rows."""
    if len(rows) == 1:
        return statements.insert_one(target, rows[0])
    return statements.insert_many(target, rows)


def stored(topic: str, event: Event[P], id_: int) -> StoredEvent[P]:
    """The event with the place that it has now."""
    return StoredEvent(
        event.key, event.payload, event.timestamp, event.metadata, topic=topic, id=id_
    )
