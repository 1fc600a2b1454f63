"""Reading: what the messages of a slot become, without a server."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import MainstemError, Refusal
from mainstem.event import Position
from mainstem.postgres.following.reading import Reading
from tests.wal import messages

OURS, OTHER = 50, 51
COLUMNS = [("id", 20), ("key", 25), ("data", 17), ("metadata", 17), ("timestamp", 1184)]
SHAPES = [
    messages.relation(OURS, "events", "our_events", COLUMNS),
    messages.relation(OTHER, "events", "other_events", COLUMNS),
]


def row(table: int, stored_id: int) -> bytes:
    """An insert with this id."""
    number = struct.Struct(">q").pack
    return messages.insert(table, [number(stored_id), b"k", b"d", None, number(0)])


def transaction(lsn: int, tables: Iterable[int]) -> list[bytes]:
    """One transaction with a row of each of the tables, whose ids tell their place."""
    rows = [row(table, lsn * 100 + place) for place, table in enumerate(tables)]
    return [messages.begin(lsn), *SHAPES, *rows, messages.commit(lsn, lsn + 1)]


def framed(parts: Iterable[bytes]) -> list[bytes]:
    """The messages as the stream brings them."""
    return [messages.wal_data(part) for part in parts]


def refused(reading: Reading, *payloads: bytes) -> str:
    """The name of the refusal, which may have rows before it."""
    with pytest.raises(Refusal) as caught:
        reading.check() if reading.take(payloads) else None
    return caught.value.name


@given(st.lists(st.lists(st.sampled_from([OURS, OTHER]), max_size=5), min_size=1, max_size=6))
def test_every_row_of_the_topic_comes_once_with_its_place(tables: list[list[int]]) -> None:
    """Any transactions of two topics: ours come in order, and ordinals count those of both."""
    payloads = framed(
        part for number, own in enumerate(tables, 1) for part in transaction(number * 10, own)
    )
    rows = Reading("our_events", OURS, None).take(payloads)

    expected = [
        Position(number * 10, place)
        for number, own in enumerate(tables, 1)
        for place, table in enumerate(own)
        if table == OURS
    ]
    assert [r.position for r in rows] == expected
    assert [r.stored_id for r in rows] == [p.lsn * 100 + p.ordinal for p in expected]


@given(
    st.lists(st.lists(st.sampled_from([OURS, OTHER]), max_size=5), min_size=1, max_size=6),
    st.integers(0, 40),
)
def test_resumed_anywhere_it_gives_the_rest(tables: list[list[int]], chosen: int) -> None:
    """Resumed behind any row of ours: exactly the rows behind it come."""
    payloads = framed(
        part for number, own in enumerate(tables, 1) for part in transaction(number * 10, own)
    )
    everything = [r.position for r in Reading("our_events", OURS, None).take(payloads)]
    if not everything:
        return
    after = everything[chosen % len(everything)]
    reading = Reading("our_events", OURS, after)
    rest = [r.position for r in reading.take(payloads)]

    assert rest == everything[everything.index(after) + 1 :]
    assert reading.found_xid == 7


def test_a_position_that_was_skipped_is_refused() -> None:
    """A later transaction, another topic's row there, a keepalive beyond: it cannot come."""
    later = Reading("our_events", OURS, Position(20, 0))
    foreign = Reading("our_events", OURS, Position(20, 0))
    idle = Reading("our_events", OURS, Position(20, 0))
    short = Reading("our_events", OURS, Position(20, 5))

    assert refused(later, *framed(transaction(30, [OURS]))) == "position-not-held"
    assert refused(foreign, *framed(transaction(20, [OTHER]))) == "position-not-held"
    assert refused(idle, messages.keepalive(21)) == "position-not-held"
    assert refused(short, *framed([*transaction(20, [OURS]), messages.begin(30)])) == (
        "position-not-held"
    )


def test_a_position_may_still_come() -> None:
    """Transactions and keepalives before it refuse nothing, and nothing of them is given."""
    reading = Reading("our_events", OURS, Position(20, 0))
    rows = reading.take([messages.keepalive(20), *framed(transaction(10, [OURS]))])

    assert rows == []
    assert reading.found_xid is None


def test_it_confirms_whole_transactions_only() -> None:
    """Inside a transaction neither its rows nor a keepalive move what may be let go."""
    reading = Reading("our_events", OURS, None)
    reading.take([messages.keepalive(9), *framed(transaction(10, [OURS])[:-1])])
    before = reading.read_lsn
    reading.take([messages.keepalive(30, reply=True)])
    inside = reading.read_lsn
    reading.take([*framed([messages.commit(10, 11)]), messages.keepalive(40)])

    assert (before, inside, reading.read_lsn) == (9, 9, 40)


def test_what_must_not_be_is_refused_by_name() -> None:
    """Going back, changes that are no inserts, a renamed or replaced table, rows out of place."""
    back = framed([*transaction(20, [OURS]), messages.begin(10)])
    renamed = messages.relation(OURS, "events", "else_events", COLUMNS)
    replaced = messages.relation(OTHER, "events", "our_events", COLUMNS)
    shapeless = messages.relation(OURS, "events", "our_events", COLUMNS[:2])
    wrong = {
        "order-broken": back,
        "publication-altered": framed([b"D..."]),
        "table-renamed": framed([renamed]),
        "table-replaced": framed([replaced]),
        "table-shape": framed([shapeless]),
        "stream-malformed": framed([*SHAPES, row(OURS, 1)]),
    }

    for name, payloads in wrong.items():
        assert refused(Reading("our_events", OURS, None), *payloads) == name


def test_rows_before_a_refusal_are_given_and_then_it_stays() -> None:
    """A message that is none lies behind a row: the row comes, and every later call refuses."""
    reading = Reading("our_events", OURS, None)
    rows = reading.take(framed([*transaction(10, [OURS]), b"?", *transaction(20, [OURS])]))

    assert [row.stored_id for row in rows] == [1000]
    assert refused(reading) == refused(reading, *framed(transaction(30, [OURS])))
    assert refused(reading) == "stream-malformed"


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_at_all_end_in_our_own_errors(payloads: list[bytes]) -> None:
    """Whatever comes, it is read or refused."""
    reading = Reading("our_events", OURS, None)
    try:
        reading.take(payloads)
    except MainstemError as error:
        assert error.message  # noqa: PT017 - both ways are right
