"""Rows become records: the short way and the long way agree, and each key type has its text."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import DecodeError, MainstemError, Refusal
from mainstem.metadata_codec import encode_metadata
from mainstem.wal.pgoutput import Column, columns_of
from mainstem.wal.rows import RowLayout, layout_of
from tests.wal import messages

COLUMNS = [
    Column("id", 20),
    Column("key", 2950),
    Column("data", 17),
    Column("metadata", 17),
    Column("timestamp", 1184),
]
LAYOUT = layout_of("events.order_events", COLUMNS)
INT8 = st.integers(-(2**63), 2**63 - 1).map(lambda number: struct.pack(">q", number))
MICROSECONDS = st.integers(-946684800_000_000, 2**48).map(lambda us: struct.pack(">q", us))
METADATA = st.none() | st.dictionaries(
    st.text(max_size=5).filter(lambda name: name not in {"id", "lsn", "ordinal"}),
    st.binary(max_size=5),
    min_size=1,
    max_size=3,
).map(encode_metadata)


def outcome(layout: RowLayout, body: bytes) -> object:
    """The record, or the name of the error."""
    try:
        return layout.inserted(body)
    except MainstemError as error:
        return error.name


def long_way(layout: RowLayout, body: bytes) -> object:
    """The record column by column, or the name of the error."""
    try:
        return layout.record(columns_of(body))
    except MainstemError as error:
        return error.name


@given(INT8, st.binary(min_size=16, max_size=16), st.binary(), METADATA, MICROSECONDS)
def test_both_ways_agree_on_rows(
    stored_id: bytes, key: bytes, data: bytes, metadata: bytes | None, moment: bytes
) -> None:
    """The short way through a row of the usual shape is only shorter."""
    body = messages.insert(9, [stored_id, key, data, metadata, moment])

    assert outcome(LAYOUT, body) == long_way(LAYOUT, body)
    assert isinstance(outcome(LAYOUT, body), tuple)


@given(st.data())
def test_both_ways_agree_on_spoilt_rows(data: st.DataObject) -> None:
    """Cut, longer or altered at any byte: both ways give the same record or the same error."""
    whole = bytearray(messages.insert(9, [b"\0" * 8, b"k" * 16, b"data", None, b"\0" * 8]))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    body = bytes(whole[: data.draw(st.integers(0, len(whole)))]) + data.draw(st.binary(max_size=3))

    assert outcome(LAYOUT, body) == long_way(LAYOUT, body)


@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("uuid", [UUID(int=0), UUID(int=2**128 - 1), UUID("6f1c0000-0000-4000-8000-00000000abcd")]),
        ("text", ["", "zażółć", "a\tb"]),
        ("varchar(20)", ["abc"]),
        ("smallint", [0, -32768, 32767]),
        ("integer", [0, -(2**31), 2**31 - 1]),
        ("bigint", [0, -(2**63), 2**63 - 1]),
        ("boolean", [True, False]),
        (
            "numeric",
            [
                Decimal(text)
                for text in ("0", "-0.5", "0.0001", "10000", "12345678.9", "-1e20", "1e-9")
            ],
        ),
        ("numeric(12,3)", [Decimal(text) for text in ("0", "-0.5", "99999.999", "100000", "1")]),
    ],
)
def test_keys_have_postgresqls_own_text(
    connection: psycopg.Connection[Any], type_name: str, values: list[object]
) -> None:
    """The binary form, through us, gives what a cast to text gives on the server."""
    for value in values:
        cursor = connection.execute(f"SELECT %s::{type_name}", (value,), binary=True)
        assert cursor.description is not None
        assert cursor.pgresult is not None
        raw = cursor.pgresult.get_value(0, 0)
        columns = [*COLUMNS]
        columns[1] = Column("key", cursor.description[0].type_code)
        text = connection.execute(f"SELECT (%s::{type_name})::text", (value,)).fetchone()
        layout = layout_of("events.x_events", columns)

        assert text is not None
        assert raw is not None
        assert layout.key_text(raw).decode() == text[0]


@pytest.mark.parametrize("special", ["NaN", "Infinity", "-Infinity"])
def test_a_numeric_key_that_is_no_number_is_refused(
    connection: psycopg.Connection[Any], special: str
) -> None:
    """PostgreSQL's numeric can be infinite; a key cannot."""
    cursor = connection.execute("SELECT %s::numeric", (special,), binary=True)
    assert cursor.pgresult is not None
    layout = layout_of("events.x_events", [COLUMNS[0], Column("key", 1700), *COLUMNS[2:]])

    with pytest.raises(DecodeError):
        layout.key_text(cursor.pgresult.get_value(0, 0) or b"")


@pytest.mark.parametrize("count", [0, 1, 4, 6])
def test_a_row_with_another_number_of_columns_is_an_error(count: int) -> None:
    """Found by fuzzing: an insert of no columns ended in an IndexError."""
    body = messages.insert(9, [b"\0" * 8] * count)

    assert outcome(LAYOUT, body) == "decode-error"


@pytest.mark.parametrize("missing", ["id", "key", "data", "timestamp"])
def test_a_table_without_a_needed_column_is_refused(missing: str) -> None:
    """Only metadata may be absent."""
    with pytest.raises(Refusal, match=missing):
        layout_of("events.x_events", [column for column in COLUMNS if column.name != missing])


def test_columns_are_found_by_name() -> None:
    """Another order, and columns of others, change nothing."""
    shuffled = [Column("extra", 23), *reversed(COLUMNS)]
    layout = layout_of("events.x_events", shuffled)
    values = [b"\0\0\0\1", b"\0" * 8, None, b"data", b"k" * 16, b"\0" * 7 + b"\5"]

    assert layout.record(values)[0] == 5
    assert layout.record(values)[1].data == b"data"


@pytest.mark.parametrize("moment", [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), None])
def test_a_time_that_kafka_refuses_is_refused(moment: datetime | None) -> None:
    """Before 1970, or infinity: named here, instead of a broker's error later."""
    microseconds = 2**63 - 1
    if moment is not None:
        microseconds = int((moment - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
    body = messages.insert(9, [b"\0" * 8, b"k" * 16, b"", None, struct.pack(">q", microseconds)])

    assert outcome(LAYOUT, body) == "row-refused"


def test_reserved_names_in_metadata_are_refused_but_kid() -> None:
    """`id` in a row's metadata would hide ours; `kid` belongs to encrypted events."""

    def row(name: str) -> bytes:
        metadata = encode_metadata({name: b"1"})
        return messages.insert(9, [b"\0" * 8, b"k" * 16, b"", metadata, b"\0" * 8])

    assert [outcome(LAYOUT, row(name)) for name in ("id", "lsn", "ordinal")] == ["row-refused"] * 3
    assert isinstance(outcome(LAYOUT, row("kid")), tuple)
