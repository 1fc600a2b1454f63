"""Every value that state may hold comes back as it was, from equal bytes if it is equal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.event import NO_ROW, Event, GenericPayload, Position, StoredEvent
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams.internal import FORMAT, InternalCodec
from mainstem.wire import Wire
from tests.schema.payloads import Everything
from tests.streams.kept import TEXTS, VALUES, codec, hashable
from tests.streams.shop import OrderPlaced

MOMENT = datetime(2026, 11, 26, 12, 0, 0, 123000, UTC)
LAST = datetime.max.replace(tzinfo=UTC)
ORDER = OrderPlaced("PL", 5)
ARRIVED = StoredEvent(
    "k",
    ORDER,
    MOMENT,
    {"a": b"1"},
    topic="t",
    id=7,
    position=Position(3, 4),
    partition=0,
    offset=9,
)
KEPT: list[tuple[Any, str]] = [
    (
        ARRIVED,
        "c727019aa16bc70903000000000104504c0acf000001a217ba127b81a161c40131a174079203040009c0",
    ),
    (Event("k", ORDER, MOMENT), "c7190294a16bc70903000000000104504c0acf000001a217ba127b80"),
    (ORDER, "c70903000000000104504c0a"),
    (GenericPayload("n.T", {"a": 1}), "c7090492a36e2e5481a16101"),
    (MOMENT, "c7070506612caed83078"),
    (MOMENT.replace(tzinfo=None), "c7070606612caed83078"),
    (MOMENT.date(), "c703070b4a6a"),
    (time(12, 30), "d70831323a33303a3030"),
    (timedelta(seconds=-1), "c70309f0bdc0"),
    (UUID(int=7), "d80a00000000000000000000000000000007"),
    (Decimal("1.10"), "d60b312e3130"),
    (2**64, "c7090c010000000000000000"),
    ((1,), "d50d9101"),
    ({2, 1}, "c7070e92c40101c40102"),
    (frozenset({2, 1}), "c7070f92c40101c40102"),
    ("\udcff", "a3edb3bf"),
]
"""A value of each kind, and its bytes for ever."""


def through(value: Any) -> Any:
    """The value after a stay in state."""
    ours = codec()
    return ours.loads(ours.dumps(value))


@given(VALUES)
def test_a_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    """Property: loads(dumps(value)) is the value; its bytes, which tell its types, stay too."""
    ours = codec()
    data = ours.dumps(value)

    restored = ours.loads(data)

    assert restored == value
    assert type(restored) is type(value)
    assert ours.dumps(restored) == data


@given(VALUES)
def test_equal_values_have_equal_bytes(value: Any) -> None:
    """Property: another codec over the same registry gives the same bytes."""
    registry = MemoryRegistry()
    types = [OrderPlaced, Everything]

    once = InternalCodec(Wire(registry, types)).dumps(value)

    assert InternalCodec(Wire(registry, types)).dumps(value) == once


@given(st.lists(hashable(), max_size=8, unique_by=lambda item: codec().dumps(item)))
def test_a_set_has_one_form_however_it_was_filled(listed: list[Any]) -> None:
    """Property: the order in which a set was filled is not in its bytes."""
    items = set(listed)
    backwards: set[Any] = set()
    for item in reversed(list(items)):
        backwards.add(item)

    assert codec().dumps(backwards) == codec().dumps(items)


def test_dicts_keep_their_order() -> None:
    """Equal dicts may have different bytes, so they are no keys of state."""
    value = {"b": 1, "a": 2}

    assert list(through(value)) == ["b", "a"]
    assert codec().dumps(value) != codec().dumps({"a": 2, "b": 1})


def test_one_moment_has_the_same_bytes_in_every_zone() -> None:
    """Keep a moment as two zones tell it; it comes back in UTC."""
    elsewhere = MOMENT.astimezone(ZoneInfo("Asia/Tokyo"))

    assert codec().dumps(elsewhere) == codec().dumps(MOMENT)
    assert through(elsewhere).tzinfo is UTC


def test_a_key_that_is_not_utf_8_comes_back() -> None:
    """Keep what the engine has as the key of such a message."""
    key = b"\xff\x00|\xfe".decode("utf-8", "surrogateescape")

    assert through(key) == key


def test_an_event_from_kafka_is_kept_whole() -> None:
    """Keep the usual case, one with a version, and one that is in Kafka alone."""
    event = replace(ARRIVED, key=UUID(int=7), version=2)
    direct = StoredEvent("k", OrderPlaced("PL", 5), MOMENT, topic="orders", id=NO_ROW)

    assert [through(each) for each in (ARRIVED, event, direct)] == [ARRIVED, event, direct]
    with pytest.raises(TypeError):
        through(ARRIVED).metadata["trace"] = b"2"


@pytest.mark.parametrize(
    "value",
    [
        0,
        5,
        [1.5, 3],
        [1700000000000, [1, None]],
        {"windows": [{"count": 1, "start": 0, "value": {"Sum/cents": 3}}]},
        {"cents/Sum": 3, "mean/Mean": (0.5, 2), "last/Latest": (None, 7)},
    ],
    ids=range(6),
)
def test_what_the_engine_keeps_comes_back_as_it_expects(value: Any) -> None:
    """Counters, times, windows and aggregates: lists stay lists and tuples tuples."""
    restored = through(value)

    assert repr(restored) == repr(value)


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_prefix_and_key_of_state_are_told_apart(one: tuple[str, str], two: tuple[str, str]) -> None:
    """Property: the engine joins both by a bar, and no two pairs become the same bytes."""
    ours = codec()

    joined = [b"|".join(map(ours.dumps, pair)) for pair in (one, two)]

    assert (joined[0] == joined[1]) == (one == two)


@pytest.mark.parametrize(
    "value",
    [2**64, -(2**63) - 1, Decimal("1.10"), date.max, timedelta.min, LAST],
    ids=str,
)
def test_the_ends_of_what_types_hold_come_back(value: Any) -> None:
    """Keep the largest and the smallest; a decimal keeps its digits."""
    assert repr(through(value)) == repr(value)


@pytest.mark.parametrize(("value", "data"), KEPT, ids=range(len(KEPT)))
def test_the_bytes_of_format_1_stay(value: Any, data: str) -> None:
    """Compare with what was once written: who changes these bytes must count FORMAT up."""
    ours = codec()

    assert FORMAT == 1
    assert ours.dumps(value).hex() == data
    assert ours.loads(bytes.fromhex(data)) == value
