"""Metadata of an event: names and bytes <-> the Avro map<bytes> of the table's column; pure.

Bytes stay equal to those of the Java original: entries in the order of their names' UTF-16 code
units, in one block; no entries are SQL NULL. Any legal encoding of a map<bytes> can be read.
Source: Avro specification, "Maps"; bounds against hostile bytes are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mainstem.errors import DecodeError, InvalidMetadata
from mainstem.schema.walks import read_long

ENTRIES_MAX = 1024
BYTES_MAX = 1_048_576


def encode_metadata(metadata: Mapping[str, bytes]) -> bytes | None:
    """The column's bytes; None where there are no entries, InvalidMetadata beyond the bounds."""
    if not metadata:
        return None
    if len(metadata) > ENTRIES_MAX:
        raise InvalidMetadata(f"{len(metadata)} metadata entries; at most {ENTRIES_MAX} fit")
    parts = [varint(len(metadata))]
    for name in utf16_sorted(metadata):
        encoded, value = utf8(name), metadata[name]
        parts += (varint(len(encoded)), encoded, varint(len(value)), value)
    parts.append(b"\0")
    data = b"".join(parts)
    if len(data) > BYTES_MAX:
        raise InvalidMetadata(f"metadata of {len(data)} bytes; at most {BYTES_MAX} fit")
    return data


def decode_metadata(data: bytes | None) -> dict[str, bytes]:
    """The entries in the order of the bytes; DecodeError for anything that is no map<bytes>."""
    if data is None:
        return {}
    if len(data) > BYTES_MAX:
        raise DecodeError(f"metadata of {len(data)} bytes; at most {BYTES_MAX} are read")
    try:
        metadata, end = read_blocks(data)
    except (IndexError, UnicodeDecodeError) as error:
        raise DecodeError(f"metadata of {len(data)} bytes is malformed") from error
    if end != len(data):
        raise DecodeError(f"metadata of {len(data)} bytes ends at byte {end}")
    return metadata


def read_blocks(data: bytes) -> tuple[dict[str, bytes], int]:
    """All blocks of the map, and the place after them."""
    metadata: dict[str, bytes] = {}
    count, at = read_long(data, 0)
    while count:
        if count < 0:
            # A negative count is followed by the size of the block in bytes.
            count, (_, at) = -count, read_long(data, at)
        if count + len(metadata) > ENTRIES_MAX:
            raise DecodeError(f"metadata of more than {ENTRIES_MAX} entries")
        for _ in range(count):
            name, at = read_bytes(data, at)
            value, at = read_bytes(data, at)
            metadata[name.decode()] = value
        count, at = read_long(data, at)
    return metadata, at


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """A length and so many bytes; IndexError where they are not all there."""
    length, at = read_long(data, at)
    end = at + length
    if length < 0 or end > len(data):
        raise IndexError(end)
    return data[at:end], end


def varint(number: int) -> bytes:
    """A number that is not negative, as zigzag varint."""
    rest = number << 1
    parts = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - seven bits a byte
        parts.append(rest & 0x7F | 0x80)
        rest >>= 7
    parts.append(rest)
    return bytes(parts)


def utf16_sorted(names: Iterable[str]) -> list[str]:
    """Names in the order of their UTF-16 code units, as Java sorts strings."""
    names = list(names)
    if all(map(str.isascii, names)):
        return sorted(names)
    return sorted(names, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def utf8(name: str) -> bytes:
    """The name in UTF-8; InvalidMetadata for a lone surrogate."""
    try:
        return name.encode()
    except UnicodeEncodeError as error:
        raise InvalidMetadata("a metadata name holds a lone surrogate") from error
