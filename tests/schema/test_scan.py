"""Hostile bytes: each is refused in no time, before the driver allocates or recurses."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest

from mainstem.errors import DecodeError, SchemaError
from mainstem.schema.compile import decoder
from mainstem.schema.parse import parse_schema
from mainstem.schema.scan import scanner
from mainstem.schema.walks import EMPTY_ITEMS_MAX

SECONDS_MAX = 0.5
MEMORY_BYTES_MAX = 8_388_608


def record(*types: Any) -> str:
    """The text of a record with fields of these types."""
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(types)]
    return json.dumps({"type": "record", "name": "R", "fields": fields})


def array(items: Any) -> dict[str, Any]:
    """Avro's array."""
    return {"type": "array", "items": items}


MAP = {"type": "map", "values": "null"}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 4}
NOTHING = {"type": "fixed", "name": "N", "size": 0}
EMPTY = {"type": "record", "name": "Empty", "fields": []}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
LIST = record(["null", "R"])
FIFTY_MILLIONS = "80e1eb17"
LONGEST = "ffffffffffffffffff01"

HOSTILE = [
    (record("boolean"), "02"),
    (record("boolean"), ""),
    (record("int"), "8080808010"),
    (record("int"), "80"),
    (record("long"), "80" * 10 + "00"),
    (record("long"), "80" * 40 + "01"),
    (record("long"), "ffffffffffffffffff7f"),
    (record("float"), "000000"),
    (record("double"), "00" * 7),
    (record("string"), "0a61"),
    (record("string"), "01"),
    (record("string"), FIFTY_MILLIONS + "61"),
    (record("string"), "02ff"),
    (record("bytes"), LONGEST),
    (record(FIXED), "000000"),
    (record(ENUM), "04"),
    (record(ENUM), "01"),
    (record(["null", "int"]), "04"),
    (record(["null", "int"]), "01"),
    (record(array("int")), FIFTY_MILLIONS + "00"),
    (record(array("null")), FIFTY_MILLIONS + "00"),
    (record(array("null")), LONGEST + "00" + "00"),
    (record(array(NOTHING)), FIFTY_MILLIONS + "00"),
    (record(array(EMPTY)), FIFTY_MILLIONS + "00"),
    (record(array("null")), "a09c01" * 1000 + "00"),
    (record(array(array("null"))), "02" + FIFTY_MILLIONS + "0000"),
    (record(array("int")), "03040200"),
    (record(array("int")), "030100020000"),
    (record(MAP), FIFTY_MILLIONS + "00"),
    (record(MAP), "0202ff00"),
    (record(DECIMAL), "a01f" + "00" * 2000),
    (record(DECIMAL), "047fff"),
    (record(DECIMAL), "00"),
    (record({"type": "long", "logicalType": "timestamp-millis"}), LONGEST),
    (record({"type": "int", "logicalType": "date"}), "feffffff0f"),
    (record({"type": "int", "logicalType": "time-millis"}), "01"),
    (record({"type": "string", "logicalType": "uuid"}), "0261"),
    (record({"type": "string", "logicalType": "uuid"}), "48" + "7a" * 36),
    (LIST, "02" * 10_000 + "00"),
    (LIST, "02" * 100 + "00"),
    (LIST, "02"),
]


@pytest.mark.parametrize(("text", "data"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_refused_at_once(text: str, data: str) -> None:
    """Decode, with time and memory held against a bound."""
    decode = decoder(text, None)
    tracemalloc.start()
    started = time.perf_counter()

    with pytest.raises(DecodeError):
        decode(bytes.fromhex(data))

    seconds = time.perf_counter() - started
    memory_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < SECONDS_MAX
    assert memory_bytes < MEMORY_BYTES_MAX


@pytest.mark.parametrize(
    ("text", "data", "fields"),
    [
        (record(array("int")), "00", {"f0": []}),
        (record(array("int")), "02020204020600", {"f0": [1, 2, 3]}),
        (record(array("int")), "0304020400", {"f0": [1, 2]}),
        (record(MAP), "0104026100", {"f0": {"a": None}}),
        (record(array("null")), "a09c0100", {"f0": [None] * EMPTY_ITEMS_MAX}),
        (record("long"), "808000", {"f0": 0}),
        (record(DECIMAL), "0600000a", None),
        (LIST, "02" * 63 + "00", None),
    ],
    ids=range(8),
)
def test_legal_but_unusual_bytes_are_read(text: str, data: str, fields: Any) -> None:
    """Several blocks, blocks with sizes, long numbers, leading zeros, just enough depth."""
    payload = decoder(text, None)(bytes.fromhex(data))

    assert fields is None or payload.fields == fields


def test_records_that_double_at_each_level_cost_nothing() -> None:
    """A schema of 40 records, each twice in the next: a trillion values of no bytes."""
    schema: Any = {"type": "record", "name": "L0", "fields": []}
    for level in range(1, 30):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"L{level - 1}"}]
        schema = {"type": "record", "name": f"L{level}", "fields": fields}
    decode = decoder(json.dumps(schema), None)
    started = time.perf_counter()

    with pytest.raises(DecodeError, match="values without bytes"):
        decode(b"")

    assert time.perf_counter() - started < SECONDS_MAX


def test_a_record_without_an_end_is_refused() -> None:
    """A record that contains itself directly has no value at all."""
    with pytest.raises(SchemaError, match="without a way to end"):
        scanner(parse_schema(record("R")))
