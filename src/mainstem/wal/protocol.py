"""The frames inside COPY BOTH: WAL data, keepalives, and our answers; pure.

Source: PostgreSQL manual, "Streaming Replication Protocol".
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from mainstem.errors import DecodeError

KEEPALIVE = struct.Struct(">xQqB")
STATUS = struct.Struct(">cQQQqB")
WAL_HEADER_SIZE = 25
"""Type byte, start LSN, end LSN and server time stand before each message."""
POSTGRES_EPOCH_S = 946_684_800
WAL_DATA_TYPE, KEEPALIVE_TYPE = ord("w"), ord("k")


class Keepalive(NamedTuple):
    """The server has sent everything that committed before `wal_end`."""

    wal_end: int
    reply_requested: bool


def unframe(payload: bytes) -> bytes | Keepalive:
    """The message inside WAL data, or the keepalive; DecodeError for anything else."""
    kind = payload[0] if payload else None
    if kind == WAL_DATA_TYPE and len(payload) > WAL_HEADER_SIZE:
        return payload[WAL_HEADER_SIZE:]
    if kind == KEEPALIVE_TYPE and len(payload) == KEEPALIVE.size:
        wal_end, _, reply = KEEPALIVE.unpack(payload)
        return Keepalive(wal_end, bool(reply))
    raise DecodeError(f"a frame of {len(payload)} bytes and type {kind} is not of the protocol")


def status_update(flushed_lsn: int, now_s: float) -> bytes:
    """Confirm `flushed_lsn` (0 confirms nothing) at the wall-clock time `now_s`."""
    clock_us = int((now_s - POSTGRES_EPOCH_S) * 1_000_000)
    return STATUS.pack(b"r", flushed_lsn, flushed_lsn, flushed_lsn, clock_us, 0)
