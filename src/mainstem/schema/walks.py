"""Walks over the bytes of single values and blocks: each checks what it steps over; pure.

A walk takes the datum, the place where the value begins and the depth that is left, and gives the
place after the value. It raises DecodeError, or IndexError where the bytes end too early.
Source: Avro specification, "Binary Encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mainstem.errors import DecodeError
from mainstem.schema.shape import DEPTH_MAX, Shape

EMPTY_ITEMS_MAX = 10_000
"""Values of no bytes (null, records of nothing) in one datum: they are not bounded by its size."""
VARINT_BYTES_MAX = 10
INT_BITS, LONG_BITS = 32, 64
DECIMAL_SPARE_BYTES = 16
"""A decimal may be written with a few leading bytes more than it needs."""

Walk: TypeAlias = Callable[["Datum", int, int], int]
"""(datum, place, depth left) -> place after the value."""


class Datum:
    """The bytes under scan, and how many empty values they may still hold."""

    __slots__ = ("data", "empty_left")

    def __init__(self, data: bytes) -> None:
        """Start with the full budget."""
        self.data = data
        self.empty_left = EMPTY_ITEMS_MAX

    def spend(self, count: int) -> None:
        """Account for `count` values of no bytes."""
        self.empty_left -= count
        if self.empty_left < 0:
            raise DecodeError(f"more than {EMPTY_ITEMS_MAX} values without bytes")


def entry_of(walk_value: Walk) -> Walk:
    """A key and a value of a map."""
    walk_key = walk_of_bytes(Shape("string"))

    def walk(datum: Datum, at: int, depth: int) -> int:
        return walk_value(datum, walk_key(datum, at, depth), depth)

    return walk


def walk_of_blocks(walk_item: Walk, size_min: int) -> Walk:
    """Blocks of items that take `size_min` bytes or more each."""

    def walk(datum: Datum, at: int, depth: int) -> int:
        if depth == 0:
            raise DecodeError(f"a value of more than {DEPTH_MAX} levels")
        count, end, at = read_block_head(datum.data, at)
        while count:
            if count * size_min > len(datum.data) - at:
                raise DecodeError(f"{count} items in {len(datum.data) - at} bytes")
            if size_min == 0 and count > datum.empty_left:
                datum.spend(count)
            for _ in range(count):
                at = walk_item(datum, at, depth - 1)
            if end not in {None, at}:
                raise DecodeError("a block is not as long as it says")
            count, end, at = read_block_head(datum.data, at)
        return at

    return walk


def read_block_head(data: bytes, at: int) -> tuple[int, int | None, int]:
    """The number of items, where the block says that it ends, and the place after its head."""
    count, at = read_long(data, at)
    if count >= 0:
        return count, None, at
    # A negative count is followed by the size of the block in bytes.
    size, at = read_long(data, at)
    return -count, at + size, at


def walk_of_nothing(count: int) -> Walk:
    """The walk over a value of no bytes that is made of `count` values."""

    def walk(datum: Datum, at: int, _depth: int) -> int:
        if count:
            datum.spend(count)
        return at

    return walk


def skipping(size: int) -> Walk:
    """The walk over a value of always `size` bytes."""

    def walk(datum: Datum, at: int, _depth: int) -> int:
        if size > len(datum.data) - at:
            raise IndexError(at)
        return at + size

    return walk


def walk_of_bytes(shape: Shape) -> Walk:
    """A length and so many bytes; a decimal has no more than its precision needs."""
    length_max = float("inf")
    if shape.logical == "decimal":
        length_max = (10**shape.precision).bit_length() // 8 + 1 + DECIMAL_SPARE_BYTES

    def walk(datum: Datum, at: int, _depth: int) -> int:
        length, at = read_long(datum.data, at)
        if not 0 <= length <= len(datum.data) - at:
            raise DecodeError(f"a length of {length} where {len(datum.data) - at} bytes are left")
        if length > length_max:
            raise DecodeError(f"a decimal of {length} bytes; its precision allows {length_max}")
        return at + length

    return walk


def walk_of_enum(count: int) -> Walk:
    """The index of a symbol."""

    def walk(datum: Datum, at: int, _depth: int) -> int:
        index, at = read_long(datum.data, at)
        if not 0 <= index < count:
            raise DecodeError(f"symbol {index} of an enum of {count}")
        return at

    return walk


def walk_of_union(walks: list[Walk]) -> Walk:
    """The index of a branch, and the branch."""

    def walk(datum: Datum, at: int, depth: int) -> int:
        index, at = read_long(datum.data, at)
        if not 0 <= index < len(walks):
            raise DecodeError(f"branch {index} of a union of {len(walks)}")
        return walks[index](datum, at, depth)

    return walk


def walk_boolean(datum: Datum, at: int, _depth: int) -> int:
    """One byte, 0 or 1."""
    if datum.data[at] > 1:
        raise DecodeError(f"a boolean of {datum.data[at]}")
    return at + 1


def walk_int(datum: Datum, at: int, _depth: int) -> int:
    """A number of 32 bits."""
    number, at = read_long(datum.data, at)
    if not -(1 << INT_BITS - 1) <= number < 1 << INT_BITS - 1:
        raise DecodeError("an int of more than 32 bits")
    return at


def walk_long(datum: Datum, at: int, _depth: int) -> int:
    """A number of 64 bits."""
    return read_long(datum.data, at)[1]


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag number and the place after it; IndexError where it does not end."""
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - the continuation bit
        return (byte >> 1) ^ -(byte & 1), at + 1
    number, shift = byte & 0x7F, 7
    for place in range(at + 1, at + VARINT_BYTES_MAX):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            if number >> LONG_BITS:
                break
            return (number >> 1) ^ -(number & 1), place + 1
        shift += 7
    raise DecodeError("a number of more than 64 bits")
