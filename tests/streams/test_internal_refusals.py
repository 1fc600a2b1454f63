"""What cannot be kept in state, or is none, is refused; no message holds a value."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    SchemaNotFound,
    UndeclaredPayload,
    ValueOutOfRange,
)
from mainstem.event import Event
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams.internal import DEPTH_MAX, InternalCodec
from mainstem.wire import Wire
from tests.streams.kept import VALUES, codec
from tests.streams.shop import BigOrder

MOMENT = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECRET = "nobody-should-read-this"


class Level(IntEnum):
    """A number with a name, which would come back without it."""

    LOW = 1


@dataclass(frozen=True)
class Undeclared:
    """A class of the user's that is no event type."""

    text: str


@pytest.mark.parametrize(
    "value",
    [object(), 1j, range(3), Level.LOW, Undeclared(SECRET), {"deep": [Undeclared(SECRET)]}],
    ids=["object", "complex", "range", "IntEnum", "class", "nested"],
)
def test_another_value_is_refused_by_its_type(value: Any) -> None:
    """Keep what has no bytes; the message names the type and never the value."""
    with pytest.raises(ConfigurationError, match="a value of the type") as refused:
        codec().dumps(value)

    assert SECRET not in f"{refused.value} {refused.value.hint}"
    assert "0x" not in str(refused.value)


def test_a_payload_of_an_undeclared_class_is_refused_with_what_to_do() -> None:
    """Keep a payload that would come back as another class."""
    with pytest.raises(UndeclaredPayload, match="BigOrder") as refused:
        codec().dumps({"kept": Event("k", BigOrder(5.0))})

    assert "types=[BigOrder]" in refused.value.hint


def test_a_class_that_is_declared_no_more_is_named() -> None:
    """Read state that a program with more classes kept."""
    registry = MemoryRegistry()
    data = InternalCodec(Wire(registry, [BigOrder])).dumps(BigOrder(5.0))

    with pytest.raises(UndeclaredPayload, match=r"streams\.tests\.BigOrder") as refused:
        InternalCodec(Wire(registry)).loads(data)

    assert "types=" in refused.value.hint


def test_a_class_may_be_declared_later() -> None:
    """Learn a class after state with it could not be read."""
    wire = Wire(MemoryRegistry(), [BigOrder])
    data = InternalCodec(wire).dumps(BigOrder(5.0))
    reader = Wire(wire._registry)  # Another wire over the same registry.
    with pytest.raises(UndeclaredPayload):
        InternalCodec(reader).loads(data)

    reader.learn(BigOrder)

    assert InternalCodec(reader).loads(data) == BigOrder(5.0)


def test_a_time_of_a_zone_with_summer_time_is_refused() -> None:
    """Its offset depends on the day, so it could not come back."""
    with pytest.raises(ConfigurationError, match="summer"):
        codec().dumps(time(12, tzinfo=ZoneInfo("Europe/Warsaw")))


def test_a_moment_that_utc_cannot_hold_is_refused_when_it_is_written() -> None:
    """Refuse it before it is in state and cannot be read any more."""
    with pytest.raises(ValueOutOfRange, match="9999"):
        codec().dumps(datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b'{"json": 1}',
        b"\xa5ab",
        b"\x92\x01",
        b"\x01\x01",
        b"\xd4\x63\x01",
        b"\xd4\x01\x01",
        b"\xd4\x07\xff",
        b"\xd5\x0bno",
        b"\xd8\x0a" + b"\x00" * 15,
        b"\xdd\xff\xff\xff\xff",
    ],
    ids=range(12),
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    """Read bytes that are cut off, of another format, or of an unknown extension."""
    with pytest.raises(DecodeError):
        codec().loads(data)


def test_the_message_about_foreign_bytes_holds_none_of_them() -> None:
    """Read a text with a bad tail."""
    with pytest.raises(DecodeError) as refused:
        codec().loads(codec().dumps(SECRET) + b"!")

    assert SECRET not in f"{refused.value} {refused.value.hint}"


def test_an_event_that_could_never_be_is_foreign() -> None:
    """Read an event whose metadata is a list."""
    good = codec().dumps(Event("k", {"text": 1}, MOMENT, {}))
    assert good.endswith(b"\x80")

    with pytest.raises(DecodeError, match="InvalidMetadata"):
        codec().loads(good[:-1] + b"\x90")


@given(VALUES, st.data())
def test_bytes_that_went_bad_never_raise_another_error(value: Any, data: st.DataObject) -> None:
    """Property: cut or change the bytes; a value or an error of ours comes of it."""
    ours = codec()
    good = ours.dumps(value)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=2)) + good[at + 1 :]

    with suppress(DecodeError, SchemaNotFound, UndeclaredPayload):
        ours.loads(bad)


def test_tuples_may_lie_within_one_another_but_not_without_end() -> None:
    """Keep as many as may be, and one more; each takes of the stack of C, which has no guard."""
    value: tuple[Any, ...] = ()
    for _ in range(DEPTH_MAX - 1):
        value = (value,)

    assert codec().loads(codec().dumps(value)) == value
    with pytest.raises(ConfigurationError, match="deep"):
        codec().dumps(((value,),))


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    """Read tuples within tuples, ten thousand of them."""
    data = b"\xc0"
    for _ in range(10_000):
        data = b"\xc9" + len(data).to_bytes(4, "big") + b"\x0d" + data

    with pytest.raises(DecodeError):
        codec().loads(data)
