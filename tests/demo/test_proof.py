"""The proof: every kind of fault between ledger and topic is counted, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mainstem.demo.narration import (
    kill_line,
    projection_kill_line,
    proof_lines,
    verdict_line,
)
from mainstem.demo.proof import (
    Findings,
    Kill,
    ProjectionKill,
    Proof,
    TableFindings,
    bitten,
    compare,
    compare_tables,
)
from mainstem.demo.revenue import Cell, Sum
from mainstem.event import Position, StoredEvent

CLEAN = Findings(in_kafka=3, lost=0, doubled=0, reordered=0, altered=0)
EVEN = TableFindings(
    rows=2, differences=0, revenue=Decimal("12.50"), expected_revenue=Decimal("12.50")
)
PROOF = Proof(
    saved=3,
    findings=CLEAN,
    kills=2,
    bitten=1,
    aborted=7,
    verified=True,
    table=EVEN,
    projection_kills=2,
    projection_bitten=2,
    seed=5,
    saving_s=1.5,
    seconds=2.04,
)


def stored(number: int, key: int = 0, partition: int = 0) -> StoredEvent[str]:
    """The event with this id, at the position that belongs to it."""
    return StoredEvent(
        UUID(int=key),
        f"payload {number}",
        datetime(2010, 12, 1, tzinfo=UTC),
        topic="order_events",
        id=number,
        position=Position(100, number),
        partition=partition,
        offset=number,
    )


def ledger(*events: StoredEvent[Any]) -> dict[int, StoredEvent[Any]]:
    """What writers were told is saved."""
    return {event.id: event for event in events}


ONE, TWO, THREE = stored(1), stored(2), stored(3)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ([ONE, TWO, THREE], CLEAN),
        ([ONE, THREE], CLEAN._replace(in_kafka=2, lost=1)),
        ([ONE, TWO, TWO, THREE], CLEAN._replace(in_kafka=4, doubled=1)),
        ([ONE, THREE, TWO], CLEAN._replace(reordered=1)),
        ([ONE, replace(TWO, payload="other"), THREE], CLEAN._replace(altered=1)),
        ([ONE, TWO, THREE, stored(4)], CLEAN._replace(in_kafka=4, altered=1)),
        ([ONE, replace(TWO, position=Position(99, 0)), THREE], CLEAN._replace(reordered=1)),
    ],
    ids=["clean", "lost", "doubled", "swapped", "altered", "never saved", "wrong position"],
)
def test_each_fault_is_counted_as_what_it_is(
    read: list[StoredEvent[Any]], expected: Findings
) -> None:
    """Aim: the checker is checked. Method: plant one fault at a time."""
    assert compare(ledger(ONE, TWO, THREE), read) == expected


def test_partitions_have_no_order_between_them() -> None:
    """Aim: no false alarm. Method: two keys in two partitions, read one after the other."""
    here, there = stored(1, key=1, partition=0), stored(2, key=2, partition=1)

    assert compare(ledger(here, there), [there, here]).reordered == 0


@pytest.mark.parametrize("fault", ["in_kafka", "lost", "doubled", "reordered", "altered"])
def test_any_fault_breaks_the_proof(fault: str) -> None:
    """Aim: exit 0 only if all holds. Method: one number off at a time."""
    assert PROOF.holds
    assert not replace(PROOF, findings=CLEAN._replace(**{fault: 1})).holds
    assert not replace(PROOF, verified=False).holds
    assert not replace(PROOF, table=EVEN._replace(differences=1)).holds


def test_the_json_object_has_the_promised_fields() -> None:
    """Aim: scripts may hold on to them. Method: the whole object."""
    assert PROOF.as_json() == {
        "saved": 3,
        "in_kafka": 3,
        "lost": 0,
        "doubled": 0,
        "reordered": 0,
        "altered": 0,
        "kills": 2,
        "bitten": 1,
        "aborted": 7,
        "projection_kills": 2,
        "projection_bitten": 2,
        "projection_rows": 2,
        "projection_differences": 0,
        "projection_revenue": "12.50",
        "seed": 5,
        "events_per_s": 2,
        "seconds": 2.0,
        "verdict": "pass",
    }


def kill(open_records: int, ends: dict[int, int]) -> Kill:
    """A kill that left the topic ending here."""
    return Kill(
        killed_pid=11,
        successor_pid=12,
        at_event=1_500,
        in_flight=40,
        open_records=open_records,
        kafka_ends=ends,
        recovery_s=0.96,
    )


def test_aborted_records_are_counted_for_the_kill_that_left_them() -> None:
    """Aim: a kill that did not bite is not said to have bitten. Method: offsets by hand."""
    kills = [kill(3, {0: 10, 1: 4}), kill(0, {0: 20, 1: 9}), kill(1, {0: 30, 1: 9})]

    assert bitten(kills, {0: [8, 9, 25], 1: [3]}) == [3, 0, 1]


def test_a_kill_line_names_what_was_in_flight() -> None:
    """Aim: the reader sees that the kill bit. Method: one that did and one that did not."""
    assert kill_line(kill(512, {})) == (
        "   ✗ kill -9 pid 11 at event 1,500, in mid-transaction (512 records open), 40 in flight"
        " → pid 12 took over after 1.0 s"
    )
    assert "between two transactions" in kill_line(kill(0, {}))


def test_the_proof_is_told_with_both_hashes_and_a_verdict() -> None:
    """Aim: people read the same numbers as scripts. Method: a proof that holds, and one broken."""
    lines = proof_lines(PROOF, "9f3c" + "0" * 24 + "b2e1", "9f3c" + "0" * 24 + "b2e1")
    broken = replace(PROOF, verified=False)

    assert lines[0].startswith("Proof: every saved event")
    assert "lost 0 │ doubled 0 │ out of order 0" in lines[1]
    assert "kills 2, 1 bit (7 records aborted)" in lines[1]
    assert lines[-2] == "   hash of the table 9f3c…b2e1 = hash of the topic 9f3c…b2e1"
    assert lines[-1] == (
        "   projection £12.50 = £12.50 by SQL over the event table"
        " │ rows 2 │ different 0 │ kills 2, all bit"
    )
    assert verdict_line(PROOF).startswith("PASSED in 2.0 s")
    assert proof_lines(broken, "a", "b")[0].startswith("NOT PROVEN")
    assert "≠" in proof_lines(broken, "a", "b")[-2]
    assert verdict_line(broken) == "FAILED in 2.0 s, seed 5"


EIRE, NORWAY = Cell("EIRE", date(2010, 12, 1)), Cell("Norway", date(2010, 12, 1))


@pytest.mark.parametrize(
    ("projected", "differences"),
    [
        ({EIRE: Sum(Decimal("2.50"), 1), NORWAY: Sum(Decimal(4), 2)}, 0),
        ({EIRE: Sum(Decimal("2.51"), 1), NORWAY: Sum(Decimal(4), 2)}, 1),
        ({EIRE: Sum(Decimal("2.50"), 2), NORWAY: Sum(Decimal(4), 2)}, 1),
        ({EIRE: Sum(Decimal("2.50"), 1)}, 1),
        ({EIRE: Sum(Decimal(4), 1), NORWAY: Sum(Decimal("2.50"), 2)}, 2),
        ({}, 2),
    ],
    ids=["equal", "off by a penny", "off by a line", "a row lacks", "swapped", "empty"],
)
def test_each_row_that_differs_is_counted(projected: dict[Cell, Sum], differences: int) -> None:
    """Aim: equal means equal to the cent. Method: one fault at a time, some with equal totals."""
    expected = {EIRE: Sum(Decimal("2.50"), 1), NORWAY: Sum(Decimal("4.00"), 2)}

    assert compare_tables(projected, expected).differences == differences
    assert compare_tables(expected, projected).differences == differences


def test_a_kill_of_the_projection_says_what_became_of_its_transaction() -> None:
    """Aim: the reader sees that the kill bit. Method: one that did and one that did not."""
    bit = ProjectionKill(21, 22, 1_500, "aborted", 1.04)

    assert projection_kill_line(bit) == (
        "   ✗ kill -9 pid 21, the projection, at event 1,500, in mid-transaction (rolled back)"
        " → pid 22 took over after 1.0 s"
    )
    assert not bit._replace(outcome="committed").bit
    assert "its transaction committed" in projection_kill_line(bit._replace(outcome="committed"))
