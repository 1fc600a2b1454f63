"""Builders of pgoutput messages, for tests: the inverse of the decoder."""

from __future__ import annotations

import struct
from collections.abc import Iterable

NO_TIME = 0


def begin(commit_lsn: int, xid: int = 7) -> bytes:
    """B."""
    return struct.pack(">cQqI", b"B", commit_lsn, NO_TIME, xid)


def commit(commit_lsn: int, end_lsn: int) -> bytes:
    """C."""
    return struct.pack(">cBQQq", b"C", 0, commit_lsn, end_lsn, NO_TIME)


def relation(oid: int, schema: str, name: str, columns: Iterable[tuple[str, int]]) -> bytes:
    """R."""
    columns = list(columns)
    head = struct.pack(">cI", b"R", oid) + f"{schema}\0{name}\0".encode()
    parts = [
        b"\0" + column.encode() + b"\0" + struct.pack(">Ii", type_oid, -1)
        for column, type_oid in columns
    ]
    return head + b"d" + struct.pack(">H", len(columns)) + b"".join(parts)


def insert(oid: int, columns: Iterable[bytes | None]) -> bytes:
    """I."""
    columns = list(columns)
    parts = [
        b"n" if column is None else b"b" + struct.pack(">I", len(column)) + column
        for column in columns
    ]
    return struct.pack(">cIcH", b"I", oid, b"N", len(columns)) + b"".join(parts)


def message(prefix: str, content: bytes, *, transactional: bool = True) -> bytes:
    """M."""
    head = struct.pack(">cBQ", b"M", int(transactional), 99)
    return head + prefix.encode() + b"\0" + struct.pack(">I", len(content)) + content


def wal_data(body: bytes) -> bytes:
    """A message in its frame."""
    return struct.pack(">cQQq", b"w", 1, 2, NO_TIME) + body


def keepalive(wal_end: int, *, reply: bool = False) -> bytes:
    """A keepalive frame."""
    return struct.pack(">cQqB", b"k", wal_end, NO_TIME, int(reply))
