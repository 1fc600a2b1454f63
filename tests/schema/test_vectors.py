"""Bytes of the Java serializers: what they wrote we read, and write the same."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.event import GenericPayload
from mainstem.schema.compile import decoder, shape_encoder
from mainstem.schema.parse import parse_schema
from tests.vectors.load import vectors
from tests.vectors.typed import value_of

AVRO = vectors("avro")
SCHEMAS = {schema["name"]: schema for schema in AVRO["schemas"]}
FRAME_BYTES = 5


@pytest.mark.parametrize("text", ["avsc", "registered_by_java"])
@pytest.mark.parametrize("case", AVRO["cases"], ids=lambda case: case["name"])
def test_what_java_wrote_is_read(case: dict[str, Any], text: str) -> None:
    """Decode the body by the schema as written and as Java registers it, compare the values."""
    schema = SCHEMAS[case["schema"]]
    expected = value_of(parse_schema(schema[text]), case["value"], named=False)

    payload = decoder(schema[text], None)(bytes.fromhex(case["wire"])[FRAME_BYTES:])

    assert isinstance(payload, GenericPayload)
    assert payload.type_name == schema["subject"]
    assert repr(payload.fields) == repr(expected)


@pytest.mark.parametrize("case", AVRO["cases"], ids=lambda case: case["name"])
def test_what_we_write_is_what_java_writes(case: dict[str, Any]) -> None:
    """Encode the value by the schema and compare with Java's bytes."""
    shape = parse_schema(SCHEMAS[case["schema"]]["avsc"])

    body = shape_encoder(shape)(value_of(shape, case["value"], named=True))

    assert body.hex() == case["wire"][2 * FRAME_BYTES :]
