"""Inserting: rows into a table that has nothing to add to them; pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from mainstem.errors import EventRefused, MainstemError
from mainstem.postgres import statements
from mainstem.postgres.packing import batches
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Row, Statement, Target
from mainstem.postgres.table import EventTable


def inserting(table: EventTable, rows: Sequence[Row], *, own: bool) -> Plan[list[int]]:
    """Insert the rows and answer their ids; all in one transaction, if it is ours to begin.

    No ids, and nothing inserted, if the table is not the one that was looked up. In a
    transaction that we begin, fewer ids than rows mean as well that nothing is inserted; so it
    is begun where a trigger or rule may take rows away, too.
    """
    target = table.target
    chunks = list(batches(rows))
    alone = own and len(chunks) == 1 and not table.filtered
    begins = own and not alone
    ids: list[int] = []
    if begins:
        yield statements.BEGIN
    try:
        for chunk in chunks:
            answer = yield insertion(target, chunk)._replace(commits=alone)
            ids += [id_ for (id_,) in answer]
            if len(answer) < len(chunk):
                break
    except MainstemError:
        if begins:
            # What failed is what the caller must hear of, even if this fails too.
            with suppress(MainstemError):
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


def left_out(topic: str, inserted: int, count: int) -> EventRefused:
    """The error for rows that were dropped on their way."""
    return EventRefused(
        f"PostgreSQL inserted {inserted} of {count} events into events.{topic}",
        hint="look for a trigger or rule on the table that drops rows",
    )
