"""SIGKILL at each step of the replicator: the next one loses nothing and doubles nothing."""

from __future__ import annotations

import signal

import pytest

from mainstem.postgres.topics import create_topic
from mainstem.replicator.points import Point
from tests.faults.field import Field, insert
from tests.faults.ledger import compared, entries_of, rows_of
from tests.faults.victim import BOUNDS

OLDER_ROWS = [130]
NEWER = [1, 3, 200, 40, 1, 90]
"""One of 200 rows is beyond the victim's bound for a transaction, so it is cut."""
FIRST_START = [
    Point.INTENT,
    Point.SLOT_CREATED,
    Point.FENCED,
    Point.BACKFILL_READ,
    Point.BACKFILL_PRODUCED,
    Point.BACKFILL_COMMITTED,
]
STREAM = [Point.READ, Point.PRODUCED, Point.PROGRESS, Point.COMMITTED, Point.ACKNOWLEDGED]


def test_every_point_is_tried() -> None:
    """A new step of the replicator needs a place in these tests."""
    assert set(FIRST_START + STREAM) == set(Point)


@pytest.mark.faults
@pytest.mark.parametrize("point", FIRST_START)
def test_killed_in_its_first_start(field: Field, point: Point) -> None:
    """Intent, slot, fences, each step of the backfill: struck down, then drained and compared."""
    field.write(OLDER_ROWS)
    occurrence = 2 if point.value.startswith("backfill") else 1
    victim = field.start("--point", point.value, "--occurrence", str(occurrence))
    code = victim.ended()
    carried = [line for line in victim.lines if line.startswith("backfill:")]
    if point is Point.BACKFILL_COMMITTED:
        # The second chunk was committed, and the process died before it could tell.
        carried.append("")
    field.write(NEWER)
    published = field.drain()
    verdict = field.verdict()

    assert code == -signal.SIGKILL
    assert f"bite: {point.value}" in victim.lines
    assert published + len(carried) * BOUNDS.backfill_rows_max == sum(OLDER_ROWS + NEWER)
    assert verdict.holds
    assert verdict.events == sum(OLDER_ROWS + NEWER)


@pytest.mark.faults
@pytest.mark.parametrize("occurrence", [1, 3])
@pytest.mark.parametrize("point", STREAM)
def test_killed_in_the_stream(field: Field, point: Point, occurrence: int) -> None:
    """The first and a later batch, the later one in the middle of a cut transaction."""
    field.drain()
    field.write(NEWER)
    victim = field.start("--point", point.value, "--occurrence", str(occurrence))
    code = victim.ended()
    published = field.drain()
    committed = sum(NEWER) - published
    verdict = field.verdict()

    assert code == -signal.SIGKILL
    assert f"bite: {point.value}" in victim.lines
    # What was struck down in the first batch reached nobody; after a commit it is not sent again.
    assert (committed == 0) == (occurrence == 1 and point not in STREAM[3:])
    assert verdict.holds
    assert verdict.events == sum(NEWER)


@pytest.mark.faults
@pytest.mark.parametrize("occurrence", [1, 2])
@pytest.mark.parametrize("point", [Point.PROGRESS, Point.COMMITTED])
def test_killed_while_a_table_joins(field: Field, point: Point, occurrence: int) -> None:
    """A new table's first events were produced and aborted: its topic is still taken for new."""
    field.drain()
    later = f"later_{field.topic}"
    field.sql(lambda connection: create_topic(connection, later))
    field.write([20])
    field.sql(lambda connection: insert(connection, later, 30))
    victim = field.start("--point", point.value, "--occurrence", str(occurrence))
    code = victim.ended()
    field.drain()
    rows = rows_of(field.database_url, later)
    joined = compared(rows, entries_of(field.kafka, later))

    assert code == -signal.SIGKILL
    assert field.verdict().holds
    assert joined.holds
    assert joined.events == len(rows) == 30
