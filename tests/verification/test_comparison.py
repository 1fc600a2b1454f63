"""The pure comparison: each kind of difference is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.event import Position
from mainstem.record import Record
from mainstem.verification.comparison import Comparison, Witness, fingerprint
from mainstem.verification.report import Difference
from tests.kafka.publisher import record

ROWS = 12


def compared(messages: list[Witness], rows: int = ROWS) -> Comparison:
    """Rows 1 to `rows` against these messages; every key belongs into partition 0."""
    comparison = Comparison(lambda _key: 0)
    for row_id in range(1, rows + 1):
        comparison.add_row(row_id, record(row_id))
    for message in messages:
        comparison.add_message(message)
    return comparison


def faithful(rows: int = ROWS) -> list[Witness]:
    """The messages of rows 1 to `rows`: three rows to a transaction."""
    return [
        Witness(row_id, 0, row_id - 1, record(row_id), Position(row_id // 3, row_id % 3))
        for row_id in range(1, rows + 1)
    ]


def counts(comparison: Comparison) -> dict[str, int]:
    """How many differences of each kind there are, without the kinds that have none."""
    found = comparison.differences()
    return {kind: each.count for kind, each in found.items() if each.count}


def test_equal_sides_do_not_differ() -> None:
    """Same events, same hash of the set, nothing pending."""
    comparison = compared(faithful())

    assert counts(comparison) == {}
    assert len(set(comparison.hashes())) == 1
    assert (comparison.rows, comparison.records, comparison.pending()) == (ROWS, ROWS, [])


def test_a_row_without_a_message_is_missing() -> None:
    """All of them are counted, the first ten are named."""
    comparison = compared([])
    missing = comparison.differences()["missing"]

    assert missing.count == ROWS
    assert missing.ids == tuple(range(1, 11))


def test_a_second_message_of_a_row_is_doubled() -> None:
    """It is named with its place, and the sums differ."""
    again = faithful()[4]._replace(offset=77, position=Position(90, 0))
    comparison = compared([*faithful(), again])

    assert counts(comparison) == {"doubled": 1}
    assert comparison.differences()["doubled"].first == (Difference(5, 0, 77),)
    assert len(set(comparison.hashes())) == 2


@pytest.mark.parametrize(
    "alter",
    [
        lambda each: each._replace(key=each.key + b"x"),
        lambda each: each._replace(data=each.data + b"x"),
        lambda each: each._replace(metadata={"trace": b"other"}),
        lambda each: each._replace(timestamp_ms=each.timestamp_ms + 1),
        lambda each: each._replace(key=each.key + each.data[:1], data=each.data[1:]),
    ],
    ids=["key", "data", "metadata", "timestamp", "boundary"],
)
def test_an_altered_message_is_different(alter: Callable[[Record], Record]) -> None:
    """Each part of an event counts, and so does where one part ends."""
    messages = faithful()
    messages[6] = messages[6]._replace(record=alter(record(7)))

    assert counts(compared(messages)) == {"different": 1}


def test_a_message_without_a_row_is_unexpected() -> None:
    """Of an unknown id, without an id, and no event at all."""
    strangers = [
        Witness(500, 0, 50, record(500), Position(60, 0)),
        Witness(None, 0, 51, record(501), Position(61, 0)),
        Witness(None, 0, 52),
    ]
    comparison = compared([*faithful(), *strangers])

    assert counts(comparison) == {"unexpected": 3}
    assert comparison.pending() == [500]


def test_a_row_that_committed_after_the_snapshot_settles_its_message() -> None:
    """The rows come in a second look-up: one equal, one different, one never."""
    comparison = compared(faithful(), rows=ROWS - 3)
    pending = comparison.pending()
    comparison.settle(10, record(10))
    comparison.settle(11, record(0))

    assert pending == [10, 11, 12]
    assert counts(comparison) == {"different": 1, "unexpected": 1}
    assert comparison.rows == ROWS - 1


def test_a_later_message_that_comes_twice_is_doubled() -> None:
    """A doubled event is found among those after the snapshot, too."""
    again = faithful()[11]._replace(offset=40, position=Position(90, 0))
    comparison = compared([*faithful(), again], rows=ROWS - 1)
    comparison.settle(12, record(12))

    assert counts(comparison) == {"doubled": 1}


def test_a_position_that_falls_is_out_of_order() -> None:
    """Two transactions changed places."""
    messages = faithful()
    swapped = [*messages[:2], *messages[5:8], *messages[2:5], *messages[8:]]

    assert counts(compared(swapped)) == {"disordered": 1}


def test_ids_that_fall_within_a_transaction_are_out_of_order() -> None:
    """Headers that claim an order do not help when the rows came in another one."""
    one, two = faithful()[2:4]
    swapped = [two._replace(position=one.position), one._replace(position=two.position)]

    assert counts(compared([*faithful()[:2], *swapped, *faithful()[4:]])) == {"disordered": 1}


def test_a_key_outside_its_partition_is_out_of_order() -> None:
    """In another partition nothing orders it against the other events of its key."""
    messages = faithful()
    messages[3] = messages[3]._replace(partition=1)

    assert counts(compared(messages)) == {"disordered": 1}


def test_messages_without_positions_have_no_order_to_break() -> None:
    """The Java original writes none; count and content are compared all the same."""
    messages = [each._replace(position=None) for each in reversed(faithful())]

    assert counts(compared(messages)) == {}


def test_a_row_that_is_no_event_is_missing_or_different() -> None:
    """A NULL somewhere: it equals no message."""
    comparison = Comparison(lambda _key: 0)
    comparison.add_row(1, None)
    comparison.add_row(2, None)
    comparison.add_message(faithful()[0])

    assert counts(comparison) == {"different": 1, "missing": 1}


@given(st.permutations(range(1, ROWS + 1)))
def test_the_hash_of_a_set_depends_on_no_order(order: list[int]) -> None:
    """Any order of the messages gives the sum of the rows."""
    messages = [faithful()[row_id - 1] for row_id in order]

    assert len(set(compared(messages).hashes())) == 1


@given(st.binary(max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_a_fingerprint_tells_where_parts_end(text: bytes, one: int, other: int) -> None:
    """The same bytes, cut into key and data elsewhere, are another event."""
    prints = {fingerprint(1, Record(text[:cut], text[cut:], {}, 0)) for cut in {one, other}}

    assert len(prints) == len({min(cut, len(text)) for cut in (one, other)})
