"""The decoder of the change stream: each message, and any bytes at all."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import DecodeError
from mainstem.wal.pgoutput import (
    Begin,
    Column,
    Commit,
    Ignored,
    Insert,
    LogicalMessage,
    Relation,
    Unpublished,
    columns_of,
    decode,
)
from tests.wal import messages

LSNS = st.integers(0, 2**63 - 1)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
COLUMNS = st.lists(st.none() | st.binary(max_size=40), max_size=12)


@given(LSNS, LSNS)
def test_transaction_borders_come_back(commit_lsn: int, end_lsn: int) -> None:
    """Begin and Commit carry the commit LSN; Commit carries the end as well."""
    assert decode(messages.begin(commit_lsn)) == Begin(commit_lsn, 7)
    assert decode(messages.commit(commit_lsn, end_lsn)) == Commit(commit_lsn, end_lsn)


@given(st.integers(0, 2**32 - 1), COLUMNS)
def test_insert_comes_back(oid: int, columns: list[bytes | None]) -> None:
    """Every column of an insert comes back, NULL as None."""
    whole = messages.insert(oid, columns)

    assert decode(whole) == Insert(oid, whole)
    assert columns_of(whole) == columns


@given(NAMES, NAMES, st.lists(st.tuples(NAMES, st.integers(0, 2**32 - 1)), max_size=8))
def test_relation_comes_back(schema: str, name: str, columns: list[tuple[str, int]]) -> None:
    """A table's description comes back with its columns in order."""
    expected = Relation(5, schema, name, tuple(Column(*column) for column in columns))

    assert decode(messages.relation(5, schema, name, columns)) == expected


@given(NAMES, st.binary(max_size=60), st.booleans())
def test_logical_message_comes_back(prefix: str, content: bytes, transactional: bool) -> None:  # noqa: FBT001 - hypothesis passes it
    """A message of pg_logical_emit_message comes back."""
    decoded = decode(messages.message(prefix, content, transactional=transactional))

    assert decoded == LogicalMessage(transactional, prefix, content)


@pytest.mark.parametrize("kind", "UDT")
def test_other_changes_are_told_apart(kind: str) -> None:
    """Updates, deletes and truncates are seen, not skipped: the line refuses them."""
    assert decode(kind.encode() + b"anything") == Unpublished(kind)


@pytest.mark.parametrize("kind", "OY")
def test_origin_and_type_say_nothing(kind: str) -> None:
    """The two message types without meaning for events are known as such."""
    assert decode(kind.encode() + b"anything") == Ignored(kind)


@pytest.mark.parametrize("kind", [b"S", b"E", b"A", b"x", b"\0", b"r"])
def test_unknown_type_is_an_error(kind: bytes) -> None:
    """Stream, two-phase and unknown messages could stand for events, so they are errors."""
    with pytest.raises(DecodeError):
        decode(kind + b"12345678")


@given(COLUMNS, st.data())
def test_every_cut_and_every_tail_is_an_error(
    columns: list[bytes | None], data: st.DataObject
) -> None:
    """An insert that lacks bytes, or has some to spare, is never taken for a row."""
    whole = messages.insert(9, columns)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(DecodeError):
        columns_of(whole[:cut])
    with pytest.raises(DecodeError):
        columns_of(whole + b"n")


@given(st.sampled_from(b"BCIRMUDTOYX"), st.binary(max_size=200))
def test_any_bytes_give_a_message_or_our_error(kind: int, rest: bytes) -> None:
    """The decoder is total: no IndexError, no struct.error, no UnicodeDecodeError."""
    with suppress(DecodeError):
        decode(bytes([kind]) + rest)
    with suppress(DecodeError):
        columns_of(bytes([kind]) + rest)


def test_no_bytes_are_an_error() -> None:
    """Not even the empty message makes it fail otherwise."""
    with pytest.raises(DecodeError):
        decode(b"")
