"""Marks: no event before a token is ever beyond one, and none is waited for that is not there."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from mainstem.projection.waiting.marks import (
    Behind,
    Follower,
    Mark,
    Place,
    Standing,
    last_of,
    standings_of,
    told,
)

FIRST = Place("order_events", 0)
SECOND = Place("order_events", 1)
OTHER = Place("other_events", 0)
REVENUE = Follower("revenue.v1", frozenset({"order_events"}))


class Step(NamedTuple):
    """What one of two producers does next to a partition."""

    producer: int
    ends: bool
    """Whether its transaction ends here; else it writes an event."""
    aborts: bool


STEPS = st.lists(st.builds(Step, st.integers(0, 1), st.booleans(), st.booleans()), max_size=20)
ENDINGS = [Step(0, ends=True, aborts=False), Step(1, ends=True, aborts=False)]


class Log:
    """One partition: its records, and which transactions are open."""

    def __init__(self) -> None:
        """Nothing was written."""
        self.end = 0
        self.written: dict[int, list[int]] = {}
        """Events of the transaction that a producer has open."""
        self.committed: list[int] = []

    def take(self, step: Step) -> None:
        """An event, or the end of a transaction that wrote some."""
        if not step.ends:
            self.written.setdefault(step.producer, []).append(self.end)
            self.end += 1
        elif step.producer in self.written:
            events = self.written.pop(step.producer)
            self.committed += [] if step.aborts else events
            self.end += 1

    @property
    def visible_end(self) -> int:
        """Up to where nothing is open."""
        return min([self.end, *(events[0] for events in self.written.values())])


@given(STEPS, STEPS, STEPS)
def test_no_event_that_was_written_is_beyond_the_last_offset(
    before: list[Step], between: list[Step], later: list[Step]
) -> None:
    """Two producers write; the visible end is asked for, and then the end; both move meanwhile.

    What was written before the first question, and is committed ever, must not be beyond.
    """
    log = Log()
    for step in before:
        log.take(step)
    written, visible_end = log.end, log.visible_end
    for step in between:
        log.take(step)
    last = last_of(visible_end, log.end)
    for step in [*later, *ENDINGS]:
        log.take(step)
    events = sorted(offset for offset in log.committed if offset < written)

    assert not events or last >= events[-1]


def test_the_marker_at_the_end_of_a_quiet_log_is_not_waited_for() -> None:
    """Two events and their marker: the projector tells of the second at once."""
    assert last_of(3, 3) == 1
    assert last_of(2, 3) == 2
    assert last_of(0, 0) < 0


def test_a_mark_is_reached_when_no_partition_is_behind() -> None:
    """Partitions without events, and topics of other projections, do not matter."""
    mark = Mark(100, {FIRST: 7, SECOND: -2, OTHER: 5})
    reached = {REVENUE: {FIRST: Standing(7)}}
    short = {REVENUE: {FIRST: Standing(6)}}

    assert not list(mark.behind(reached))
    assert list(mark.behind(short)) == [Behind("revenue.v1", FIRST, 1, None)]


def test_a_partition_that_was_not_begun_is_behind() -> None:
    """There is no row for it in the table of offsets."""
    mark = Mark(100, {FIRST: 0})

    assert [each.offsets for each in mark.behind({REVENUE: {}})] == [1]


def test_rows_become_standings() -> None:
    """By their place; a halt comes with the type of its error."""
    rows = [("order_events", 0, 7, None), ("order_events", 1, -1, "ValueError")]

    assert standings_of(rows) == {FIRST: Standing(7), SECOND: Standing(-1, "ValueError")}


def test_only_the_first_few_partitions_are_told() -> None:
    """An error stays short, however many partitions there are."""
    behind = [Behind("revenue.v1", Place("order_events", n), 2, None) for n in range(6)]

    assert told(behind[:1]) == "revenue.v1 is 2 offsets behind in order_events[0]"
    assert told(behind).endswith("order_events[2]; and 3 more")
