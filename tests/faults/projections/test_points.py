"""SIGKILL at each step of a projector: the next one loses nothing and doubles nothing."""

from __future__ import annotations

import signal

import pytest

from mainstem.projection.points import Point
from tests.faults.projections.arena import Arena

SEAT = "seat"
"""Whoever is started in it has the dead one's partitions at once."""
AMOUNTS = [7, -3, 20, 1, 1, -9, 40, 2] * 12


STRIKES = [
    ("psycopg", Point.ASSIGNED, 1),
    ("psycopg", Point.OFFSETS, 1),
    ("asyncpg", Point.OFFSETS, 3),
    ("asyncpg", Point.HANDLED, 1),
    ("psycopg", Point.HANDLED, 3),
    ("psycopg", Point.COMMITTED, 1),
    ("asyncpg", Point.COMMITTED, 3),
    ("psycopg", Point.REVOKED, 1),
]
"""Kind of the handlers, step, and which occurrence of it: each transaction is some ten events."""


def test_every_point_is_tried() -> None:
    """A new step of the projector needs a place in these tests."""
    assert {point for _, point, _ in STRIKES} == set(Point)


@pytest.mark.faults
@pytest.mark.parametrize(("kind", "point", "occurrence"), STRIKES)
def test_killed_at_a_step(arena: Arena, kind: str, point: Point, occurrence: int) -> None:
    """Struck down, replaced in its seat by one that drains, and compared with the topic."""
    arena.publish(AMOUNTS)
    victim = arena.start(instance=SEAT, kind=kind, point=point, occurrence=occurrence)
    if point is Point.REVOKED:
        victim.heard("status")
        victim.send(signal.SIGTERM)
    code = victim.ended()
    bitten = victim.bitten
    arena.publish(AMOUNTS)
    drained = arena.drain(instance=SEAT, kind=kind)

    assert code == -signal.SIGKILL
    assert ("bite", point.value) in victim.told
    assert bitten == (point in {Point.OFFSETS, Point.HANDLED})
    assert drained
    assert arena.differences() == 0
