"""How events become statements: cut into bounded pieces, all in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mainstem.postgres.drivers.psycopg import placeholders
from mainstem.postgres.inserting import inserting
from mainstem.postgres.packing import BATCH_BYTES_MAX, BATCH_EVENTS_MAX, batches
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.statements import Row, Statement
from mainstem.postgres.table import Column, EventTable

NOW = datetime(2024, 1, 1, tzinfo=UTC)
KEY = Column("key", 23, "integer", -1, not_null=True, has_default=False)
TABLE = EventTable("a_events", 1, "r", "p", (KEY,), 1)
OWN = Scope((b"", b"", b""), own=True)
LENT = Scope((b"", b"", b""), own=False)


def row(size: int = 10) -> Row:
    """A row with data of so many bytes."""
    return Row(1, bytes(size), None, NOW)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([10], [1]),
        ([10] * BATCH_EVENTS_MAX, [BATCH_EVENTS_MAX]),
        ([10] * (2 * BATCH_EVENTS_MAX + 1), [BATCH_EVENTS_MAX, BATCH_EVENTS_MAX, 1]),
        ([BATCH_BYTES_MAX] * 3, [1, 1, 1]),
        ([BATCH_BYTES_MAX + 1, 1, BATCH_BYTES_MAX - 1, 1], [1, 2, 1]),
    ],
)
def test_pieces_are_bounded_in_rows_and_bytes(sizes: list[int], counts: list[int]) -> None:
    """Aim: no statement beyond the bounds, no row lost. Method: sizes around the bounds."""
    rows = [row(size) for size in sizes]

    pieces = list(batches(rows))

    assert [len(piece) for piece in pieces] == counts
    assert [entry for piece in pieces for entry in piece] == rows


def played(plan: Plan[list[int]]) -> tuple[list[str], list[int]]:
    """The first words of a plan's steps, and its result, with a database that takes all."""
    words: list[str] = []
    answer: list[tuple[int]] | None = None
    while True:
        try:
            step = plan.send(answer)
        except StopIteration as end:
            return words, end.value
        assert isinstance(step, Statement)
        words.append(step.sql.split()[0])
        keys = step.params[0] if step.params else []
        answer = [(1,) for _ in (keys if isinstance(keys, list) else [keys])]


@pytest.mark.parametrize(
    ("scope", "events", "steps"),
    [
        (OWN, 1, ["INSERT"]),
        (OWN, 1000, ["INSERT"]),
        (OWN, 1001, ["BEGIN", "INSERT", "INSERT", "COMMIT"]),
        (LENT, 1001, ["INSERT", "INSERT"]),
    ],
)
def test_a_transaction_begins_only_where_it_is_ours_and_needed(
    scope: Scope, events: int, steps: list[str]
) -> None:
    """Aim: one round trip where one will do, none of ours in the caller's. Method: play it."""
    words, ids = played(inserting(TABLE, [row()] * events, own=scope.own))

    assert words == steps
    assert len(ids) == events


def test_placeholders_are_binary() -> None:
    """Aim: psycopg's own form of a statement. Method: more parameters than ten."""
    assert placeholders("VALUES ($1, $2::uuid[], $12)") == b"VALUES (%b, %b::uuid[], %b)"
