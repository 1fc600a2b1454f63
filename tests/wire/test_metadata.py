"""The metadata column: Java's bytes both ways, and any bytes at all."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import DecodeError, InvalidMetadata
from mainstem.metadata_codec import (
    BYTES_MAX,
    ENTRIES_MAX,
    decode_metadata,
    encode_metadata,
    utf16_sorted,
)
from tests.vectors.load import vectors

VECTORS = vectors("metadata")
MAP_OF_BYTES = fastavro.parse_schema({"type": "map", "values": "bytes"})
REFUSED_BY_US = {"trailing bytes", "not utf-8 key"}
"""No legal map<bytes>: Java reads them, and loses what it did not understand."""
METADATA = st.dictionaries(st.text(max_size=8), st.binary(max_size=8), max_size=8)


def as_java(data: bytes | None) -> bytes:
    """Java writes an empty map as a single 0, where we write NULL, as its store does."""
    return b"\0" if data is None else data


@pytest.mark.parametrize("case", VECTORS["encode"], ids=range(len(VECTORS["encode"])))
def test_we_write_the_bytes_of_the_original(case: dict[str, Any]) -> None:
    """Encode in the order of insertion, compare with Java's bytes; decode them again, in order."""
    metadata = {name: bytes.fromhex(value) for name, value in case["metadata"]}
    decoded = {name: bytes.fromhex(value) for name, value in case["decoded"]}

    assert as_java(encode_metadata(metadata)).hex() == case["encoded"]
    assert decode_metadata(bytes.fromhex(case["encoded"])) == decoded


@pytest.mark.parametrize("case", VECTORS["decode"], ids=lambda case: case.get("name"))
def test_we_read_what_the_original_reads(case: dict[str, Any]) -> None:
    """Decode every form that a reader can meet; NULL, which stops the original, is no entries."""
    data = None if case["encoded"] is None else bytes.fromhex(case["encoded"])
    java = case["java"]

    if data is None:
        assert decode_metadata(data) == {}
    elif "error" in java or case["name"] in REFUSED_BY_US:
        with pytest.raises(DecodeError):
            decode_metadata(data)
    else:
        assert decode_metadata(data) == {k: bytes.fromhex(v) for k, v in java}


@given(METADATA)
def test_metadata_comes_back(metadata: dict[str, bytes]) -> None:
    """Property: decode(encode(x)) == x, in the order of UTF-16; fastavro reads the same."""
    data = encode_metadata(metadata)

    assert decode_metadata(data) == metadata
    assert list(decode_metadata(data)) == utf16_sorted(metadata)
    assert fastavro.schemaless_reader(io.BytesIO(as_java(data)), MAP_OF_BYTES, None) == metadata


@given(st.binary(max_size=80))
def test_any_bytes_are_metadata_or_refused(data: bytes) -> None:
    """Property: random bytes raise nothing but DecodeError."""
    try:
        decode_metadata(data)
    except DecodeError:
        return


def test_names_are_sorted_as_java_sorts_them() -> None:
    """A name beyond the basic plane stands before U+E000, which code points would not do."""
    assert utf16_sorted(["\ue000", "\U0001f600", "z"]) == ["z", "\U0001f600", "\ue000"]


def test_too_much_metadata_is_refused() -> None:
    """Go over both bounds, when writing and when reading."""
    many = {str(place): b"" for place in range(ENTRIES_MAX + 1)}

    with pytest.raises(InvalidMetadata):
        encode_metadata(many)
    with pytest.raises(InvalidMetadata):
        encode_metadata({"large": b"x" * BYTES_MAX})
    with pytest.raises(DecodeError):
        decode_metadata(b"\0" * (BYTES_MAX + 1))
    with pytest.raises(DecodeError):
        decode_metadata(bytes.fromhex("80e1eb17") + b"\0" * 100)


def test_a_lone_surrogate_is_refused() -> None:
    """A name that UTF-8 cannot hold."""
    with pytest.raises(InvalidMetadata, match="surrogate"):
        encode_metadata({"\ud800": b""})
