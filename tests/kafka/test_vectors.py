"""Rows of event tables become the Kafka records that the original's replicator made of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mainstem.event import parse_lsn
from mainstem.kafka.records import Message, lsn_header, message_of
from mainstem.wal.pgoutput import Column
from mainstem.wal.rows import POSTGRES_EPOCH_MS, layout_of
from tests.vectors.load import vectors

TABLES = vectors("replicator")["tables"]
WITHOUT_LSN = {"1.1.0", "1.2.0", "1.3.1"}
"""Versions that knew no `lsn`; 1.1.0 wrote no headers at all."""


def numeric(text: bytes) -> bytes:
    """Three digits after the point in binary form: words of four, aligned at the point."""
    sign, digits, exponent = Decimal(text.decode()).as_tuple()
    assert exponent == -3
    aligned = "".join(map(str, digits)).zfill(19) + "0"
    words = [int(aligned[place : place + 4]) for place in range(0, len(aligned), 4)]
    return struct.pack(f">HhHH{len(words)}H", len(words), 3, sign * 0x4000, 3, *words)


BINARY: Mapping[str, tuple[int, Callable[[bytes], bytes]]] = {
    "uuid": (2950, lambda text: UUID(text.decode()).bytes),
    "text": (25, bytes),
    "smallint": (21, lambda text: struct.pack(">h", int(text))),
    "integer": (23, lambda text: struct.pack(">i", int(text))),
    "bigint": (20, lambda text: struct.pack(">q", int(text))),
    "numeric(12,3)": (1700, numeric),
    "boolean": (16, lambda text: b"\1" if text == b"true" else b"\0"),
    "bytea": (17, bytes),
}
"""Types of key: their oid, and text -> PostgreSQL's binary form."""


def octets(text: str | None) -> bytes | None:
    """Bytes of the vectors' hex."""
    return None if text is None else bytes.fromhex(text)


def ours(row: dict[str, Any], key_type: str) -> Message:
    """The message that we make of a row as PostgreSQL sends it."""
    key_oid, binary = BINARY[key_type]
    columns = (("id", 20), ("key", key_oid), ("data", 17), ("metadata", 17), ("timestamp", 1184))
    layout = layout_of("events.x_events", [Column(name, oid) for name, oid in columns])
    stored_id, record = layout.record([
        struct.pack(">q", row["id"]),
        binary(bytes.fromhex(row["key_hex"])),
        bytes.fromhex(row["data"]),
        octets(row["metadata"]),
        struct.pack(">q", row["timestamp_us"] - POSTGRES_EPOCH_MS * 1000),
    ])  # fmt: skip
    return message_of(record, stored_id, lsn_header(parse_lsn(row["lsn"] or "0/0")), 0)


def theirs(record: dict[str, Any]) -> tuple[Any, ...]:
    """The record that the original made."""
    headers = [(name, octets(value)) for name, value in record["headers"]]
    return octets(record["key"]), octets(record["value"]), record["timestamp_ms"], headers


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["topic"])
def test_records_are_those_of_the_original(table: dict[str, Any]) -> None:
    """Make a record of each row in binary form, and compare; what a version did not write goes.

    `ordinal` is ours alone. 1.1.0 wrote no headers, the versions up to 1.3 no `lsn`.
    """
    left_out = {"ordinal"}
    left_out |= {"lsn"} if table["version"] in WITHOUT_LSN else set()
    left_out |= {"id"} if table["version"] == "1.1.0" else set()
    made = []
    for row in table["rows"]:
        key, value, timestamp_ms, headers = ours(row, table["key_type"])
        made.append(
            (key, value, timestamp_ms, [pair for pair in headers if pair[0] not in left_out])
        )

    # The original published in the order of ids or LSNs, which is told by other tests.
    assert sorted(made) == sorted(map(theirs, table["records"]))
