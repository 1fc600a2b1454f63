"""Batch: events that fit their table, with what is expected of their streams; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mainstem.event import Event, StoredEvent, stored_event
from mainstem.postgres.concurrency.asking import Asked, asked
from mainstem.postgres.concurrency.judging import Ground, Item
from mainstem.postgres.concurrency.singly import alone
from mainstem.postgres.concurrency.statements import ANY_VERSION, Draft
from mainstem.postgres.concurrency.together import all_or_none
from mainstem.postgres.inserting import inserting, left_out
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Row, Target
from mainstem.postgres.table import EventTable
from mainstem.terms import NO_TERMS, Terms


class Batch(NamedTuple):
    """Events that are fit for their table."""

    table: EventTable
    events: Sequence[Event[Any]]
    rows: Sequence[Row]
    asked: Asked | None
    """None where there are no terms, and the table has nothing to add by itself."""

    def items(self) -> list[Item]:
        """The events with what is expected of their streams."""
        assert self.asked is not None, "plain events have no terms"
        expected = self.asked.expected
        return [
            Item(event, Draft(row, expected, event_id))
            for event, row, event_id in zip(
                self.events, self.rows, self.asked.event_ids, strict=True
            )
        ]


def plainly(batch: Batch, *, own: bool) -> Plan[list[StoredEvent[Any]]]:
    """Insert into a table that has nothing to add; nothing if it is not the one looked up."""
    topic = batch.table.topic
    ids = yield from inserting(batch.table, batch.rows, own=own)
    if len(ids) != len(batch.rows) and (ids or batch.table.filtered):
        raise left_out(topic, len(ids), len(batch.rows))
    return [
        stored_event(topic, id_, event.key, event.payload, event.timestamp, event.metadata, None)
        for event, id_ in zip(batch.events, ids, strict=False)
    ]


def appending(ground: Ground, batch: Batch) -> Plan[list[StoredEvent[Any]]]:
    """Insert the batch by its terms but for its condition; nothing if the table is another."""
    assert batch.asked is not None, "plain events have no terms"
    if not batch.asked.appends:
        return (yield from plainly(batch, own=ground.own))
    if len(batch.rows) > 1:
        return (yield from all_or_none(ground, batch.items()))
    (item,) = batch.items()
    return [(yield from alone(ground, item))]


def drafted(topic: str, target: Target, row: Row, terms: Terms) -> Draft:
    """One row with what is expected of its stream."""
    if terms is NO_TERMS:
        return Draft(row, ANY_VERSION)
    asking = asked(topic, target, (row,), terms)
    return Draft(row, asking.expected, asking.event_ids[0])
