"""Sharing: events of many callers by one statement, and an outcome for each of them; pure.

Every statement here is a transaction of its own, and holds what fits into one. If it fails for a
reason that may lie in one event, its halves are tried, and so on down to that event: of a
thousand, a bad one costs twenty statements and fails alone. A reason that concerns all, such as a
time limit, is told to all at once, because trying again would multiply the wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from mainstem.errors import (
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
    TableChanged,
    TransactionFailed,
)
from mainstem.event import Event, StoredEvent, stored_event
from mainstem.postgres.inserting import inserting, left_out
from mainstem.postgres.packing import batches
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Row
from mainstem.postgres.table import EventTable

Outcome: TypeAlias = StoredEvent[Any] | Exception
Outcomes: TypeAlias = list[Outcome | None]
"""None for an event that met another table than the one that was looked up: nothing is saved."""


def each(table: EventTable, events: Sequence[Event[Any]], rows: Sequence[Row]) -> Plan[Outcomes]:
    """Save each event by itself, though not one by one; answers the outcomes in their order."""
    outcomes: Outcomes = []
    for chunk in batches(rows) if rows else ():
        part = events[len(outcomes) : len(outcomes) + len(chunk)]
        outcomes += yield from unless_lost(table, part, chunk, outcomes)
    return outcomes


def unless_lost(
    table: EventTable,
    events: Sequence[Event[Any]],
    rows: Sequence[Row],
    before: Iterable[Outcome | None],
) -> Plan[Outcomes]:
    """The outcomes of these; nothing is sent if the connection was lost before."""
    if lost(before):
        return [not_sent() for _ in events]
    return (yield from in_halves(table, events, rows))


def in_halves(
    table: EventTable, events: Sequence[Event[Any]], rows: Sequence[Row]
) -> Plan[Outcomes]:
    """The outcomes of one statement, or of its halves if one of the events may be at fault."""
    error: MainstemError = left_out(table.topic, 0, len(rows))
    try:
        ids = yield from inserting(table, rows, own=True)
        if len(ids) == len(rows) or not table.filtered:
            return as_inserted(table.topic, events, ids)
    except TableChanged:
        return [None for _ in events]
    except MainstemError as failure:
        if concerns_all(failure):
            return [failure.again() for _ in events]
        error = failure
    if len(events) == 1:
        return [error]
    half = len(events) // 2
    first = yield from in_halves(table, events[:half], rows[:half])
    return [*first, *(yield from unless_lost(table, events[half:], rows[half:], first))]


def concerns_all(error: MainstemError) -> bool:
    """Whether no single event is at fault, and trying again would only take as long again."""
    if isinstance(error, TransactionFailed):
        return not error.conflict
    return isinstance(error, ServerUnavailable)


def as_inserted(topic: str, events: Sequence[Event[Any]], ids: Sequence[int]) -> Outcomes:
    """The outcomes of a statement that committed, from the ids that it answered."""
    if len(ids) == len(events):
        return [
            stored_event(
                topic, id_, event.key, event.payload, event.timestamp, event.metadata, None
            )
            for event, id_ in zip(events, ids, strict=True)
        ]
    if not ids:
        return [None for _ in events]
    # A trigger that came after the look-up took some of them, and nobody can tell which.
    unknown = OutcomeUnknown(left_out(topic, len(ids), len(events)).message)
    return [unknown.again() for _ in events]


def lost(outcomes: Iterable[Outcome | None]) -> bool:
    """Whether the connection was lost with one of these."""
    return any(isinstance(error, ServerUnavailable) and error.lost for error in outcomes)


def not_sent() -> ServerUnavailable:
    """The answer for an event whose turn came after the connection was lost: it is not saved."""
    return ServerUnavailable(
        "nothing of this save was sent: the connection to PostgreSQL broke before its turn"
    )
