"""Kafka records as the original's replicator made them, from the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.event import Position, parse_lsn
from mainstem.kafka.records import message_of
from mainstem.metadata import decode_metadata
from mainstem.record import Record
from tests.vectors.load import vectors

TABLES = vectors("replicator")["tables"]
WITHOUT_LSN = {"1.1.0", "1.2.0", "1.3.1"}
"""Versions that knew no `lsn`; 1.1.0 wrote no headers at all."""


def octets(text: str | None) -> bytes | None:
    """Bytes of the vectors' hex."""
    return None if text is None else bytes.fromhex(text)


def ours(row: dict[str, Any]) -> tuple[Any, ...]:
    """The record that we make of a row, our own header `ordinal` aside."""
    metadata = decode_metadata(octets(row["metadata"]))
    key, data = bytes.fromhex(row["key_hex"]), bytes.fromhex(row["data"])
    record = Record(key, data, metadata, row["timestamp_us"] // 1000)
    position = Position(parse_lsn(row.get("lsn") or "0/0"), 0)
    message = message_of(record, row["id"], position)
    headers = [header for header in message.headers if header[0] != "ordinal"]
    return message.key, message.value, message.timestamp_ms, headers


def theirs(record: dict[str, Any]) -> tuple[Any, ...]:
    """The record that the original made."""
    headers = [(name, octets(value)) for name, value in record["headers"]]
    return octets(record["key"]), octets(record["value"]), record["timestamp_ms"], headers


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table["topic"])
def test_records_are_those_of_the_original(table: dict[str, Any]) -> None:
    """Make a record of each row and compare; what an old version did not write is left out."""
    left_out = {"lsn"} if table["version"] in WITHOUT_LSN else set()
    left_out |= {"id"} if table["version"] == "1.1.0" else set()
    made = []
    for key, value, timestamp_ms, headers in map(ours, table["rows"]):
        kept = [header for header in headers if header[0] not in left_out]
        made.append((key, value, timestamp_ms, kept))

    # The original published in the order of ids or LSNs, which is told by other tests.
    assert sorted(made) == sorted(map(theirs, table["records"]))
