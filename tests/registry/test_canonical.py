"""When two schema texts are the same schema."""

from __future__ import annotations

import json

import pytest

from mainstem.errors import RegistryRejected
from mainstem.registry.canonical import TEXT_BYTES_MAX, fingerprint
from tests.vectors.load import vectors

REWRITTEN_BY_JAVA = {"hw.pub.Logical", "hw.pub.Names"}
"""Java's text of these loses an unknown logical type, and splits a dotted name: no text of ours."""
SCHEMAS = [
    schema for schema in vectors("avro")["schemas"] if schema["name"] not in REWRITTEN_BY_JAVA
]
TEXT = '{"type":"record","name":"R","fields":[{"name":"a","type":"string","default":"x"}]}'


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema["name"])
def test_java_registers_the_same_schema_as_we_do(schema: dict[str, str]) -> None:
    """Java's text says how its classes hold strings, and is the same schema but for that."""
    ours = json.dumps(json.loads(schema["avsc"]), separators=(",", ":"))

    assert fingerprint(schema["registered_by_java"]) == fingerprint(ours)


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace("R", "Q"),
        TEXT.replace('"x"', '"y"'),
        TEXT.replace(',"default":"x"', ""),
        TEXT.replace("string", "bytes"),
        TEXT.replace('"name":"a"', '"name":"a","aliases":["b"]'),
        TEXT.replace('"name":"a"', '"name":"a","doc":"b"'),
    ],
    ids=range(6),
)
def test_everything_else_makes_another_schema(other: str) -> None:
    """Change one thing."""
    assert fingerprint(other) != fingerprint(TEXT)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '"' + "x" * TEXT_BYTES_MAX + '"', "\ud800"],
)
def test_what_is_no_schema_text_is_rejected(text: str) -> None:
    """No JSON, too deep, too long."""
    with pytest.raises(RegistryRejected):
        fingerprint(text)
