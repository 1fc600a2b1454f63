"""Portions: cut anywhere, nothing is lost, doubled or moved to another place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mainstem.errors import Refusal
from mainstem.event import Position, StoredEvent
from mainstem.kafka.delivered import Delivered, Place
from mainstem.projection.batch import Arrival
from mainstem.projection.portion import Holding, Portion, batch_of, split

SIZES = some.lists(some.integers(0, 6), min_size=1, max_size=5)


def portions_of(sizes: list[int]) -> list[Portion]:
    """Portions of two partitions that follow one another, with gaps where markers are."""
    ends = {0: -1, 1: -1}
    made = []
    for number, size in enumerate(sizes):
        partition = number % 2
        after = ends[partition]
        offsets = [after + 1 + n for n in range(size)]
        ends[partition] = (offsets[-1] if offsets else after) + (0 if offsets else 1)
        arrivals = [Arrival(delivered(partition, offset), None) for offset in offsets]
        made.append(Portion(Place("t", partition), after, arrivals, ends[partition], 1))
    return made


def delivered(partition: int, offset: int) -> Delivered:
    """A message."""
    return Delivered("t", partition, offset, b"k", b"v", 0, None)


def holdings() -> dict[Place, Holding]:
    """Both partitions, from their beginning."""
    return {Place("t", n): Holding("id", -1, None, 1) for n in (0, 1)}


@given(SIZES)
def test_two_halves_are_the_whole(sizes: list[int]) -> None:
    """Each message is in one of them, in its order, and both ends meet."""
    whole = portions_of(sizes)
    first, second = split(whole)

    messages = [each for portion in whole for each in portion.arrivals]
    halves = [each for portion in (*first, *second) for each in portion.arrivals]
    assert halves == messages
    assert batch_of([*first, *second], holdings()) == batch_of(whole, holdings())


@given(SIZES)
def test_halves_get_smaller(sizes: list[int]) -> None:
    """What has two messages or more is cut into parts that both have some."""
    whole = portions_of(sizes)
    count = sum(sizes)
    first, second = split(whole)

    if count > 1:
        assert 0 < sum(len(portion.arrivals) for portion in first) < count
        assert 0 < sum(len(portion.arrivals) for portion in second) < count


def test_a_gap_is_never_passed() -> None:
    """A portion that does not follow what is done stops everything."""
    astray = Portion(Place("t", 0), 4, [Arrival(delivered(0, 5), None)], 5, 1)

    with pytest.raises(AssertionError, match="done up to -1"):
        batch_of([astray], holdings())


def test_a_position_that_goes_back_is_refused() -> None:
    """Two events in one partition, the later one committed earlier."""
    arrivals = [
        Arrival(delivered(0, n), StoredEvent("k", 1, topic="t", id=n, position=position, offset=n))
        for n, position in enumerate((Position(9, 0), Position(8, 0)))
    ]

    with pytest.raises(Refusal) as refused:
        batch_of([Portion(Place("t", 0), -1, arrivals, 1, 1)], holdings())
    assert refused.value.name == "position-went-back"
