"""The line: whatever strikes it down, every row comes out once, in commit order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import Refusal
from mainstem.event import Position
from mainstem.replicator.line import MOVES, Join, Line, State
from mainstem.replicator.progress import Progress
from mainstem.replicator.settings import Bounds
from mainstem.wal.pgoutput import Begin, Commit, LogicalMessage, Relation, Unpublished
from mainstem.wal.protocol import Keepalive
from tests.replicator.simulation import (
    COLUMNS,
    OID,
    START_LSN,
    Transaction,
    World,
    inserted,
    numbered,
    row,
    with_backfill,
)

TRANSACTIONS = st.lists(
    st.builds(Transaction, rows=st.integers(0, 12), others=st.integers(0, 3)), max_size=8
)
BOUNDS = st.builds(
    Bounds,
    batch_events_max=st.integers(1, 10),
    transaction_events_max=st.integers(1, 8),
)
LIVES = st.lists(st.tuples(st.integers(0, 80), st.booleans()), max_size=8)


@given(TRANSACTIONS, BOUNDS, LIVES)
def test_every_row_comes_out_once_in_commit_order(
    transactions: list[Transaction], bounds: Bounds, lives: list[tuple[int, bool]]
) -> None:
    """Strike the line down at any message, forget any confirmation: nothing is lost or doubled."""
    world = World(numbered(transactions), bounds)
    for messages, keeps_confirmation in lives:
        world.live(messages, keeps_confirmation=keeps_confirmation)
    finished = world.live(10**9, keeps_confirmation=True)

    assert finished
    assert world.kafka == world.expected
    assert world.positions == sorted(set(world.positions))
    assert world.confirmed_lsn <= (world.progress.flushed_lsn or 0)


@given(TRANSACTIONS, LIVES)
def test_a_transaction_within_bounds_is_never_cut(
    transactions: list[Transaction], lives: list[tuple[int, bool]]
) -> None:
    """With room enough, each progress ends with a whole transaction."""
    world = World(numbered(transactions), Bounds(batch_events_max=3))
    for messages, keeps_confirmation in lives:
        world.live(messages, keeps_confirmation=keeps_confirmation)

        assert world.progress.partial is None


def test_without_the_ordinal_a_cut_transaction_would_double() -> None:
    """The guard on trial: forget `partial`, and the property above fails."""
    world = World(numbered([Transaction(10)]), Bounds(transaction_events_max=4))
    world.live(9, keeps_confirmation=True)
    cut_at = world.progress.partial
    world.progress = replace(world.progress, partial=None)
    world.live(10**9, keeps_confirmation=True)

    assert cut_at == Position(START_LSN, 3)
    assert len(world.kafka) > len(set(world.kafka))


def line_at(progress: Progress | None = None) -> Line:
    """A line at the beginning, or at a progress."""
    return Line("main", progress or World([], Bounds()).progress, Bounds())


def begun(commit_lsn: int = START_LSN, progress: Progress | None = None) -> Line:
    """A line inside a transaction, with the table described."""
    line = line_at(progress)
    line.receive(Begin(commit_lsn, 1))
    line.receive(Relation(OID, "events", "order_events", COLUMNS))
    return line


def refusal_of(line: Line, message: object) -> str:
    """The name of the refusal that a message brings about."""
    with pytest.raises(Refusal) as caught:
        line.receive(message)  # type: ignore[arg-type]  # any message of a parametrised test
    return caught.value.name


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("message", [Begin(START_LSN + 7, 1), Commit(START_LSN, START_LSN + 1)])
def test_only_the_moves_of_the_table_are_allowed(state: State, message: Begin | Commit) -> None:
    """A Begin or Commit in another state than the table says breaks the protocol."""
    line = line_at()
    if state is not State.BETWEEN:
        line.receive(Begin(START_LSN if state is State.INSIDE else START_LSN - 500, 1))
    if (state, type(message)) in MOVES:
        assert line.receive(message) is None
    else:
        assert refusal_of(line, message) == "stream-malformed"


def test_a_transaction_that_goes_back_is_refused() -> None:
    """Commit order is asserted for as long as the line lives."""
    line = begun()
    line.receive(Commit(START_LSN, START_LSN + 10))

    assert refusal_of(line, Begin(START_LSN, 2)) == "order-broken"


def test_a_change_that_is_no_insert_is_refused() -> None:
    """Somebody altered the publication."""
    assert refusal_of(begun(), Unpublished("D")) == "publication-altered"


def test_a_row_of_a_table_that_never_joined_is_refused() -> None:
    """A table added to the publication by hand may have older rows."""
    line = line_at()
    line.receive(Begin(START_LSN, 1))
    line.receive(Relation(77, "events", "late_events", COLUMNS))

    assert refusal_of(line, inserted(row(1), 77)) == "table-not-joined"


def test_a_table_created_again_is_refused() -> None:
    """The same name with another oid is another table."""
    line = line_at()
    line.receive(Begin(START_LSN, 1))
    line.receive(Relation(OID + 1, "events", "order_events", COLUMNS))

    assert refusal_of(line, inserted(row(1), OID + 1)) == "table-replaced"


def test_a_row_of_an_undescribed_table_is_refused() -> None:
    """PostgreSQL describes each table before its first row."""
    line = line_at()
    line.receive(Begin(START_LSN, 1))

    assert refusal_of(line, inserted(row(1))) == "stream-malformed"


@pytest.mark.parametrize("place", range(5))
def test_a_row_with_a_null_column_is_refused(place: int) -> None:
    """NULL in any column but metadata is no event; in metadata it is."""
    columns = row(1)
    columns[place] = None
    if COLUMNS[place].name == "metadata":
        assert begun().receive(inserted(columns)) is not None
    else:
        assert refusal_of(begun(), inserted(columns)) == "row-refused"


def test_a_joining_table_is_announced_and_admitted_once() -> None:
    """The first announcement is an action; the same one again is none; another oid is refused."""
    line = begun()
    first = line.receive(LogicalMessage(True, "mainstem", b"join 50 new_events"))  # noqa: FBT003 - a field
    again = line.receive(LogicalMessage(True, "mainstem", f"join {OID} order_events".encode()))  # noqa: FBT003 - a field
    other = LogicalMessage(True, "mainstem", b"join 51 order_events")  # noqa: FBT003 - a field

    assert first == Join("new_events", 50, START_LSN)
    assert again is None
    assert refusal_of(line, other) == "table-replaced"


def test_a_low_id_that_committed_during_the_backfill_is_refused() -> None:
    """It cannot be told whether the backfill carried it; after the backfill it is plain."""
    progress = with_backfill(World([], Bounds()).progress, last_id=50, finished_lsn=START_LSN + 1)
    during = begun(START_LSN, progress)
    after = begun(START_LSN + 1, progress)

    assert refusal_of(during, inserted(row(7))) == "id-inside-backfill"
    assert during.receive(inserted(row(51))) is not None
    assert after.receive(inserted(row(7))) is not None


def test_rows_before_the_fence_are_the_backfills() -> None:
    """What committed before a table's fence is dropped: the backfill carries it."""
    progress = World([], Bounds()).progress
    fenced = progress.with_topic(
        "order_events", type(progress.topics["order_events"])(OID, "t", 1, START_LSN + 1)
    )

    assert begun(START_LSN, fenced).receive(inserted(row(1))) is None
    assert begun(START_LSN + 1, fenced).receive(inserted(row(1))) is not None


def test_an_idle_line_moves_with_keepalives_and_heartbeats_only() -> None:
    """Nothing is due for a keepalive alone; a reply asked for, or a heartbeat, makes it due."""
    line = line_at()
    line.receive(Keepalive(START_LSN + 500, reply_requested=False))
    quiet = line.due(dry=True, age_s=0)
    line.receive(Keepalive(START_LSN + 600, reply_requested=True))
    asked = line.due(dry=True, age_s=0)
    line.committed(line.progress())
    line.receive(Begin(START_LSN + 700, 1))
    line.receive(LogicalMessage(True, "mainstem", b"beat main 1-1-1"))  # noqa: FBT003 - a field
    line.receive(Commit(START_LSN + 700, START_LSN + 740))

    assert (quiet, asked, line.due(dry=True, age_s=0)) == (False, True, True)
    assert line.committed(line.progress()) == "1-1-1"
    assert line.flushed_lsn == START_LSN + 740


def test_an_idle_line_moves_for_who_waits_for_it() -> None:
    """A flush alone makes progress due once its transaction is whole, and only once."""
    line = line_at()
    line.receive(Begin(START_LSN, 1))
    line.receive(LogicalMessage(True, "mainstem", b"flush"))  # noqa: FBT003 - a field
    inside = line.due(dry=True, age_s=0)
    line.receive(Commit(START_LSN, START_LSN + 40))
    due = (line.due(dry=False, age_s=0), line.due(dry=True, age_s=0))
    line.committed(line.progress())

    assert (inside, due) == (False, (False, True))
    assert line.flushed_lsn == START_LSN + 40
    assert not line.due(dry=True, age_s=0)


def test_a_flush_of_somebody_else_moves_nothing() -> None:
    """Another prefix is another program's; what is in Kafka already needs no record."""
    line = line_at()
    line.receive(Begin(START_LSN - 500, 1))
    line.receive(LogicalMessage(True, "mainstem", b"flush"))  # noqa: FBT003 - a field
    line.receive(Commit(START_LSN - 500, START_LSN - 460))
    line.receive(Begin(START_LSN, 2))
    line.receive(LogicalMessage(True, "other", b"flush"))  # noqa: FBT003 - a field
    line.receive(Commit(START_LSN, START_LSN + 40))

    assert not line.due(dry=True, age_s=0)


def test_a_keepalive_inside_a_transaction_moves_nothing() -> None:
    """Its rows are not all in the batch yet."""
    line = begun()
    line.receive(Keepalive(START_LSN + 9999, reply_requested=True))

    assert line.progress().flushed_lsn == World([], Bounds()).progress.flushed_lsn


def test_a_transaction_that_arrives_slowly_is_cut_by_time() -> None:
    """Kafka would give the batch up before a slow transaction is all there."""
    line = begun()
    empty = line.due(dry=True, age_s=100)
    line.receive(inserted(row(1)))

    assert not empty
    assert not line.due(dry=True, age_s=1)
    assert line.due(dry=True, age_s=Bounds().transaction_age_max_s)
    assert line.progress().partial == Position(START_LSN, 0)


@pytest.mark.parametrize("name", ["was_order_events", "orders"])
def test_a_known_table_under_another_name_is_refused(name: str) -> None:
    """The stream carries the names of the moment, so a rename shows even when it was undone."""
    line = line_at()
    line.receive(Begin(START_LSN, 1))
    line.receive(Relation(OID, "events", name, COLUMNS))

    assert refusal_of(line, inserted(row(1))) == "table-renamed"


def test_a_topic_that_joined_stays_though_no_setting_lists_it() -> None:
    """Its name need not end in _events."""
    progress = World([], Bounds()).progress
    listed = progress.with_topic("log", type(progress.topics["order_events"])(50, "t", 1, 0))
    line = line_at(listed)
    line.receive(Begin(START_LSN, 1))
    line.receive(Relation(50, "events", "log", COLUMNS))

    assert line.receive(inserted(row(1), 50)) is not None
