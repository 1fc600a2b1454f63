"""Each planted bug does its harm at the very fault that the guard stands up to without it."""

from __future__ import annotations

import signal

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from mainstem.projection.points import Point
from tests.faults.projections.arena import Arena

SEAT = "seat"
BUGGY = pytest.mark.parametrize("buggy", [False, True], ids=["sound", "bug"])
AMOUNTS = [7, -3, 20, 1, 1, -9, 40, 2] * 8


@pytest.mark.faults
@pytest.mark.parametrize("bug", ["offset-first", "commit-outside"])
def test_rows_and_offsets_apart_do_harm(arena: Arena, bug: str) -> None:
    """Killed between the two transactions that the bug makes of one; test_points has it sound."""
    arena.publish(AMOUNTS)
    victim = arena.start(instance=SEAT, bug=bug, point=Point.OFFSETS, occurrence=2)
    code = victim.ended()
    drained = arena.drain(instance=SEAT, bug=bug)

    assert code == -signal.SIGKILL
    assert drained
    assert arena.differences(offsets=False) > 0


@pytest.mark.faults
@BUGGY
def test_a_zombie_that_wakes_up_applies_nothing(arena: Arena, *, buggy: bool) -> None:
    """It is stopped in front of a transaction, and another member in its seat goes ahead."""
    planted = "no-cas" if buggy else None
    arena.publish(AMOUNTS)
    zombie = arena.start(instance=SEAT, bug=planted, asleep=True, point=Point.COMMITTED)
    zombie.heard("asleep")
    drained = arena.drain(instance=SEAT, bug=planted)
    before = arena.differences(offsets=False)
    zombie.send(signal.SIGCONT)
    # It tells of a failure, or commits and is killed there.
    failed = zombie.heard("cas")
    zombie.kill()

    assert drained
    assert before == 0
    assert failed == (not buggy)
    assert (arena.differences(offsets=False) > 0) == buggy


@pytest.mark.faults
@BUGGY
def test_offsets_are_read_anew_at_each_assignment(arena: Arena, *, buggy: bool) -> None:
    """A partition goes to another member and comes back after that one worked on it."""
    planted = "stale-offsets" if buggy else None
    arena.publish(AMOUNTS)
    stays = arena.start(bug=planted)
    stays.heard_of(lambda status: status.events == len(AMOUNTS))
    guest = arena.start(bug=planted)
    guest.heard_of(lambda status: status.assigned == 1)
    arena.publish(AMOUNTS)
    guest.heard_of(lambda status: status.events > 0 and status.lag_events == 0)
    guest.send(signal.SIGTERM)
    guest.ended()
    stays.heard_of(lambda status: status.assigned == arena.partitions)
    stays.heard_of(lambda status: status.lag_events == 0)
    stays.send(signal.SIGTERM)
    stays.ended()

    assert (arena.differences(offsets=False) > 0) == buggy


@pytest.mark.faults
@BUGGY
def test_events_that_are_gone_are_not_passed(arena: Arena, *, buggy: bool) -> None:
    """Kafka deletes events that were not read yet."""
    planted = "reset-earliest" if buggy else None
    arena.publish(AMOUNTS, partition=0)
    arena.drain(instance=SEAT, bug=planted)
    arena.publish(AMOUNTS, partition=0)
    gone = TopicPartition(arena.topic, 0, len(AMOUNTS) + 30)
    admin = AdminClient({**arena.kafka.config()})
    admin.delete_records([gone])[gone].result()
    member = arena.start(instance=SEAT, bug=planted, once=True)
    code = member.ended()

    assert (code == 0) == buggy
    assert member.has("refused") == (not buggy)


@pytest.mark.faults
@BUGGY
def test_poison_is_not_passed(arena: Arena, *, buggy: bool) -> None:
    """A message that is no event stands between events."""
    planted = "skip-poison" if buggy else None
    arena.publish(AMOUNTS, partition=0)
    with arena.publisher.transaction():
        arena.publisher.publish_raw(arena.topic, (b"k", b"rubbish", 1, ()), partition=0)
    arena.publish(AMOUNTS, partition=0)
    arena.drain(instance=SEAT, bug=planted)
    halted = arena.one("SELECT count(*) FROM _mainstem.projection_halts")
    events = arena.one("SELECT sum(events) FROM _mainstem.projection_offsets")

    assert (halted, events) == ((0, 2 * len(AMOUNTS)) if buggy else (1, len(AMOUNTS)))
