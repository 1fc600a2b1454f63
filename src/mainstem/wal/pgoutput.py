"""Messages of PostgreSQL's pgoutput plugin (protocol version 1): bytes -> values; pure.

`decode` is total: it answers any bytes with a message or with DecodeError. An unknown message type
is an error and never skipped, because it could stand for an event.
Source: PostgreSQL manual, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mainstem.errors import DecodeError

BEGIN = struct.Struct(">xQqI")
COMMIT = struct.Struct(">xBQQq")
INSERT = struct.Struct(">xIcH")
MESSAGE_HEAD = struct.Struct(">xBQ")
COLUMN_TAIL = struct.Struct(">Ii")
U16 = struct.Struct(">H").unpack_from
U32 = struct.Struct(">I").unpack_from
COLUMN_COUNT_MAX = 1600
"""PostgreSQL's own limit, MaxHeapAttributeNumber."""
NULL, TEXT, BINARY = ord("n"), ord("t"), ord("b")
SENT = frozenset({TEXT, BINARY})
NEW_TUPLE = b"N"


class Begin(NamedTuple):
    """A transaction begins; it committed at `commit_lsn`."""

    commit_lsn: int
    xid: int


class Commit(NamedTuple):
    """The transaction ends; `end_lsn` is where the next one can begin at the earliest."""

    commit_lsn: int
    end_lsn: int


class Column(NamedTuple):
    """A column of a published table."""

    name: str
    type_oid: int


class Relation(NamedTuple):
    """The shape of a table, sent before its first row and after each change of it."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]


class Insert(NamedTuple):
    """A new row of a table; `columns_of` reads what is in it."""

    oid: int
    body: bytes
    """The whole message, of which only the head was read."""


class LogicalMessage(NamedTuple):
    """What pg_logical_emit_message wrote."""

    transactional: bool
    prefix: str
    content: bytes


class Unpublished(NamedTuple):
    """An update, delete or truncate: a publication of ours never sends one."""

    kind: str


class Ignored(NamedTuple):
    """An origin or type message, which says nothing about events."""

    kind: str


Message: TypeAlias = Begin | Commit | Relation | Insert | LogicalMessage | Unpublished | Ignored


def decode(data: bytes) -> Message:
    """The message in `data`; DecodeError where it is not exactly one."""
    try:
        return DECODERS[data[0]](data)
    except KeyError as error:
        raise DecodeError(f"unknown message type {data[0]} in the change stream") from error
    except (IndexError, struct.error, ValueError) as error:
        raise DecodeError(f"a message of {len(data)} bytes in the change stream is cut") from error


def begin(data: bytes) -> Begin:
    """B: final LSN, commit time, xid."""
    commit_lsn, _, xid = exactly(BEGIN, data)
    return Begin(commit_lsn, xid)


def commit(data: bytes) -> Commit:
    """C: flags, commit LSN, end LSN, commit time."""
    _, commit_lsn, end_lsn, _ = exactly(COMMIT, data)
    return Commit(commit_lsn, end_lsn)


def insert(data: bytes) -> Insert:
    """I: relation and the row, which stays unread: rows that are skipped cost nothing more."""
    oid, kind, _ = INSERT.unpack_from(data)
    if kind != NEW_TUPLE:
        raise DecodeError(f"an insert with tuple kind {kind!r}")
    return Insert(oid, data)


def columns_of(data: bytes) -> list[bytes | None]:
    """The columns of an Insert's body in PostgreSQL's binary format, None for NULL.

    Total like `decode`: any other bytes give DecodeError.
    """
    try:
        columns, end = read_columns(data)
    except (IndexError, struct.error) as error:
        raise DecodeError(f"an insert of {len(data)} bytes is cut") from error
    if end != len(data):
        raise DecodeError(f"an insert of {len(data)} bytes whose columns end at byte {end}")
    return columns


def read_columns(data: bytes) -> tuple[list[bytes | None], int]:
    """The columns and the place after the last one."""
    count = INSERT.unpack_from(data)[2]
    if count > COLUMN_COUNT_MAX:
        raise DecodeError(f"an insert with {count} columns")
    columns: list[bytes | None] = []
    at = INSERT.size
    for _ in range(count):
        kind = data[at]
        if kind == NULL:
            columns.append(None)
            at += 1
        elif kind in SENT:
            start = at + 5
            at = start + U32(data, at + 1)[0]
            columns.append(data[start:at])
        else:
            raise DecodeError(f"an insert with a column of kind {kind}")
    return columns, at


def relation(data: bytes) -> Relation:
    """R: oid, schema, name, replica identity, and the columns."""
    (oid,) = U32(data, 1)
    schema, at = text(data, 5)
    name, at = text(data, at)
    (count,) = U16(data, at + 1)
    if count > COLUMN_COUNT_MAX:
        raise DecodeError(f"a relation with {count} columns")
    at += 3
    columns = []
    for _ in range(count):
        column, at = text(data, at + 1)
        type_oid, _ = COLUMN_TAIL.unpack_from(data, at)
        at += COLUMN_TAIL.size
        columns.append(Column(column, type_oid))
    if at != len(data):
        raise DecodeError(f"a relation of {len(data)} bytes whose columns end at byte {at}")
    return Relation(oid, schema, name, tuple(columns))


def logical_message(data: bytes) -> LogicalMessage:
    """M: flags, LSN, prefix, and the content."""
    flags, _ = MESSAGE_HEAD.unpack_from(data)
    prefix, at = text(data, MESSAGE_HEAD.size)
    (length,) = U32(data, at)
    content = data[at + 4 :]
    if len(content) != length:
        raise DecodeError(f"a logical message of {len(content)} bytes that claims {length}")
    return LogicalMessage(bool(flags & 1), prefix, content)


def text(data: bytes, at: int) -> tuple[str, int]:
    """A zero-terminated string and the place after it; ValueError where it does not end."""
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def exactly(layout: struct.Struct, data: bytes) -> tuple[int, ...]:
    """All of `data` by its layout; struct.error where the sizes differ."""
    return layout.unpack(data)


def unpublished(data: bytes) -> Unpublished:
    """U, D or T."""
    return Unpublished(chr(data[0]))


def ignored(data: bytes) -> Ignored:
    """O or Y."""
    return Ignored(chr(data[0]))


DECODERS: dict[int, Callable[[bytes], Message]] = {
    ord("B"): begin,
    ord("C"): commit,
    ord("I"): insert,
    ord("R"): relation,
    ord("M"): logical_message,
    ord("U"): unpublished,
    ord("D"): unpublished,
    ord("T"): unpublished,
    ord("O"): ignored,
    ord("Y"): ignored,
}
