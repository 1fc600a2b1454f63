"""A walk over the bytes of a value before the driver sees them: hostile ones end here.

fastavro 1.13 makes lists of 50 million items out of five bytes, and a recursive value of 10 kB
ends the whole process. So every length, count, index and number is held against the bytes that
are left, and depth is counted. What passes costs time and memory in proportion to its bytes.
UTF-8 is left to the driver.
"""

from __future__ import annotations

from collections.abc import Callable

from mainstem.errors import DecodeError, SchemaError
from mainstem.schema.shape import DEPTH_MAX, Shape
from mainstem.schema.walks import (
    Datum,
    Walk,
    entry_of,
    skipping,
    walk_boolean,
    walk_int,
    walk_long,
    walk_of_blocks,
    walk_of_bytes,
    walk_of_enum,
    walk_of_nothing,
    walk_of_union,
)


def scanner(shape: Shape) -> Callable[[bytes], None]:
    """The scan for values of this shape: it returns, or raises DecodeError, on any bytes."""
    size_min = min_bytes(shape)
    walk = Walks().of(shape)

    def scan(data: bytes) -> None:
        if len(data) < size_min:
            raise DecodeError(f"{len(data)} bytes are too few for the schema")
        try:
            end = walk(Datum(data), 0, DEPTH_MAX)
        except IndexError as error:
            raise DecodeError(f"the value is cut off after {len(data)} bytes") from error
        if end != len(data):
            raise DecodeError(f"the value ends at byte {end} of {len(data)}")

    return scan


def min_bytes(shape: Shape) -> int:
    """The fewest bytes that a value takes; SchemaError where no value can ever end."""
    if shape.min_bytes is None:
        # A record that is reached again from inside itself, but not through a union, array or
        # map, has only values without end.
        shape.min_bytes = -1
        shape.min_bytes = counted_min(shape)
    elif shape.min_bytes < 0:
        raise SchemaError(f"record {shape.name} contains itself without a way to end")
    return shape.min_bytes


def counted_min(shape: Shape) -> int:
    """As min_bytes, computed."""
    if shape.kind == "record":
        return sum(min_bytes(field.shape) for field in shape.fields)
    if shape.kind == "fixed":
        return shape.size
    return {"null": 0, "float": 4, "double": 8}.get(shape.kind, 1)


def weight(shape: Shape, seen: dict[int, int]) -> int:
    """How many values a value of no bytes is made of."""
    key = id(shape)
    if key not in seen:
        seen[key] = 1 + sum(weight(field.shape, seen) for field in shape.fields)
    return seen[key]


class Walks:
    """Makes the walks of one tree; a record's walk is made once, so cycles are no matter."""

    def __init__(self) -> None:
        """Start with the walks that need no shape."""
        self._records: dict[int, Walk] = {}
        self._weights: dict[int, int] = {}
        self._made: dict[str, Callable[[Shape], Walk]] = {
            "boolean": lambda _: walk_boolean,
            "int": lambda _: walk_int,
            "long": lambda _: walk_long,
            "float": lambda _: skipping(4),
            "double": lambda _: skipping(8),
            "bytes": walk_of_bytes,
            "string": walk_of_bytes,
            "fixed": lambda shape: skipping(shape.size),
            "enum": lambda shape: walk_of_enum(len(shape.symbols)),
            "array": self._blocks,
            "map": self._blocks,
            "union": self._union,
            "record": self._record,
        }

    def of(self, shape: Shape) -> Walk:
        """The walk over a value of this shape."""
        if min_bytes(shape) == 0:
            return walk_of_nothing(weight(shape, self._weights))
        return self._made[shape.kind](shape)

    def _record(self, shape: Shape) -> Walk:
        """All fields in turn."""
        if id(shape) in self._records:
            return self._records[id(shape)]
        walks: list[Walk] = []

        def walk_record(datum: Datum, at: int, depth: int) -> int:
            if depth == 0:
                raise DecodeError(f"a value of more than {DEPTH_MAX} levels")
            for walk in walks:
                at = walk(datum, at, depth - 1)
            return at

        self._records[id(shape)] = walk_record
        walks.extend(self.of(field.shape) for field in shape.fields)
        return walk_record

    def _union(self, shape: Shape) -> Walk:
        """The index of a branch, and the branch."""
        # A null branch is no value of no bytes: the index took one.
        walks = [
            walk_of_nothing(0) if branch.kind == "null" else self.of(branch)
            for branch in shape.branches
        ]
        return walk_of_union(walks)

    def _blocks(self, shape: Shape) -> Walk:
        """The blocks of an array or map."""
        walk_item = self.of(shape.item)
        if shape.kind == "map":
            return walk_of_blocks(entry_of(walk_item), 1 + min_bytes(shape.item))
        return walk_of_blocks(walk_item, min_bytes(shape.item))
