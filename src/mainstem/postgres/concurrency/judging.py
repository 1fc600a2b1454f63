"""Judging: what became of an event that a unique constraint or an expectation kept out; pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from mainstem.errors import (
    ConcurrencyConflict,
    EventRefused,
    MainstemError,
    TableChanged,
    TransactionFailed,
)
from mainstem.event import Event, StoredEvent, stored_event
from mainstem.postgres.concurrency import statements
from mainstem.postgres.concurrency.statements import ANY_VERSION, SOME_VERSION, Draft
from mainstem.postgres.plan import Call, Plan
from mainstem.postgres.reading.decoding import event_of
from mainstem.postgres.statements import Target
from mainstem.wire import Wire

ATTEMPTS_MAX: Final = 100
"""Races that one save may lose; of so many who meet on one key, one gets through each time."""
READ_COMMITTED: Final = "read committed"

Outcome: TypeAlias = StoredEvent[Any] | MainstemError
Place: TypeAlias = tuple[int, int | None]
"""Id and version of a row that went in."""


class Ground(NamedTuple):
    """Where events are appended."""

    topic: str
    target: Target
    wire: Wire
    own: bool
    """Whether the transaction is ours to begin and end."""


class Item(NamedTuple):
    """An event on its way."""

    event: Event[Any]
    draft: Draft


class Found(NamedTuple):
    """What a look at the table showed of one item."""

    fresh: bool
    """Whether another look may show more: each statement sees what committed before it."""
    head: int
    first: Sequence[Any] | None
    """The row that has its event_id already."""


class AnotherTable(TableChanged):
    """The table is not the one that was looked at; nothing was sent to it."""


def look(target: Target, items: Sequence[Item]) -> Plan[list[Found]]:
    """What the table shows of each item now; AnotherTable if it is not the one that was seen."""
    answer = yield statements.look(target, [item.draft for item in items])
    if len(answer) != len(items):
        raise AnotherTable("the topic's table was replaced")
    return [
        Found(isolation == READ_COMMITTED, head, row if row[0] is not None else None)
        for _, isolation, head, *row in answer
    ]


def judged(
    ground: Ground, item: Item, found: Found, head_before: int | None
) -> Plan[Outcome | None]:
    """The outcome of an item that did not go in; None if it may be tried again."""
    if found.first is not None:
        return (yield from first(ground, item, found.first))
    if not fits(item.draft.expected, found.head):
        return conflict(ground.topic, item.draft.expected, found.head)
    if not found.fresh:
        return unseen()
    # Whoever wins a race has moved the stream on before the other one is refused.
    return dropped(ground.topic) if found.head == head_before else None


def first(ground: Ground, item: Item, row: Sequence[Any]) -> Plan[StoredEvent[Any]]:
    """The event that was saved first with the id of this item."""
    id_, key, data, metadata, timestamp, version = row
    event, sent = item.event, item.draft.row
    if (key, data, metadata) == (sent.key, sent.data, sent.metadata):
        # The same bytes: the caller's payload is what they mean, and of the caller's class.
        return StoredEvent(
            event.key,
            event.payload,
            timestamp,
            event.metadata,
            topic=ground.topic,
            id=id_,
            version=version,
        )
    stored: StoredEvent[Any] = yield Call(partial(event_of, ground.wire, ground.topic, row))
    return stored


def fits(expected: int, head: int) -> bool:
    """Whether a stream with this last version is as expected; the same as in SQL."""
    return expected in (ANY_VERSION, head) or (expected == SOME_VERSION and head > 0)


def appended(topic: str, item: Item, place: Place) -> StoredEvent[Any]:
    """The event with the place that it has now."""
    event, (id_, version) = item.event, place
    return stored_event(
        topic, id_, event.key, event.payload, event.timestamp, event.metadata, version
    )


def conflict(topic: str, expected: int, actual: int) -> ConcurrencyConflict:
    """The error for a stream that is not as expected."""
    if expected == SOME_VERSION:
        return ConcurrencyConflict(
            f"events.{topic}: the stream was expected to exist, but holds no event", actual=actual
        )
    return ConcurrencyConflict(
        f"events.{topic}: the stream was expected at version {expected}, but is at {actual}",
        expected=expected,
        actual=actual,
    )


def unseen() -> TransactionFailed:
    """The error for a race lost against what the transaction's snapshot cannot show."""
    return TransactionFailed(
        "another transaction saved to the same stream, or with the same event_id,"
        " after this transaction's snapshot was taken"
    )


def overtaken() -> TransactionFailed:
    """The error for a save that lost all its races."""
    return TransactionFailed(
        f"other writers of the same stream were faster {ATTEMPTS_MAX} times; nothing was saved",
        hint="save again; if it happens often, spread the events over more keys",
    )


def dropped(topic: str) -> EventRefused:
    """The error for a row that neither went in nor was in anybody's way."""
    return EventRefused(
        f"PostgreSQL did not insert the event into events.{topic}, though its place is free",
        hint="look for a trigger, rule or unique constraint of your own on the table",
    )
