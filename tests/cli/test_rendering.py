"""Events as text and as JSON: whatever a payload holds, and nothing that commands a terminal."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mainstem.cli.rendering import as_line, as_object, plain
from mainstem.event import GenericPayload, Key, Position, StoredEvent

KEY = UUID("6f1c0000-0000-4000-8000-000000000001")
MOMENT = datetime(2026, 11, 25, 21, 4, 11, 412000, tzinfo=UTC)


class Colour(enum.Enum):
    """An Avro enum."""

    RED = "RED"


@dataclass(frozen=True)
class Inner:
    """A nested record."""

    price: Decimal


def stored(fields: dict[str, Any], key: Key = KEY, **metadata: bytes) -> StoredEvent[Any]:
    """An event that came from Kafka."""
    return StoredEvent(
        key,
        GenericPayload("com.example.shop.OrderPlaced", fields),
        MOMENT,
        metadata,
        topic="order_events",
        id=1,
        position=Position(0x1A2B3C8, 2),
        partition=3,
        offset=0,
    )


def test_a_line_tells_what_happened_when_and_where() -> None:
    """Time, id, type, key, place and payload."""
    line = as_line(stored({"order_id": KEY, "total": Decimal("12.50")}))

    assert line == (
        f'21:04:11.412 #1 OrderPlaced 6f1c… [3]@0 {{"order_id":"{KEY}","total":"12.50"}}'
    )


def test_a_row_of_the_table_has_no_place_in_kafka() -> None:
    """Then the place is left out."""
    row = StoredEvent(b"k1", GenericPayload("x.Y", {}), MOMENT, topic="t", id=9)

    assert as_line(row) == "21:04:11.412 #9 Y k1 {}"


def test_control_characters_never_reach_the_terminal() -> None:
    """In a key and in a payload: an escape sequence could do anything there."""
    line = as_line(stored({"text": "a\x1b[2Jb\u009b\u202e"}, key="\x1b[2J"))

    assert line.isprintable()


def test_json_holds_every_field() -> None:
    """One object, with the metadata as text, or marked as base64 where it is none."""
    event = stored({"n": 1}, key=b"\xff", trace=b"abc", raw=b"\xff\x00")

    assert json.loads(json.dumps(as_object(event))) == {
        "topic": "order_events",
        "id": 1,
        "key": {"base64": "/w=="},
        "type": "com.example.shop.OrderPlaced",
        "payload": {"n": 1},
        "metadata": {"trace": "abc", "raw": {"base64": "/wA="}},
        "timestamp": "2026-11-25T21:04:11.412Z",
        "lsn": "0/1A2B3C8",
        "ordinal": 2,
        "partition": 3,
        "offset": 0,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Decimal("1.10"), "1.10"),
        (KEY, str(KEY)),
        (b"\xff", "/w=="),
        (date(2026, 11, 25), "2026-11-25"),
        (MOMENT, "2026-11-25T21:04:11.412000+00:00"),
        (Colour.RED, "RED"),
        ([Inner(Decimal(1))], [{"price": "1"}]),
        ({"a": {"b": [KEY]}}, {"a": {"b": [str(KEY)]}}),
    ],
)
def test_whatever_a_payload_holds_becomes_json(value: object, expected: object) -> None:
    """Each kind of value that an Avro type can give, nested too."""
    assert plain(value) == expected
