"""Buffers: Python's values -> the bytes of Arrow columns, by hand; pure.

No library at hand builds decimals from Python's values, and few build times. The layout is that
of the Arrow columnar format: a bitmap of what is there, offsets of what has no fixed size, and
the values. Every value may be None.
Source: "Arrow Columnar Format", physical memory layout.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from decimal import Context, Decimal
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple, TypeAlias

from mainstem.event import EPOCH
from mainstem.postgres.reading.columns import DECIMAL_DIGITS_MAX, ArrowType

Values: TypeAlias = Sequence[Any]
Bytes: TypeAlias = "bytes | array[int] | array[float]"

UNIX_DAY: Final = EPOCH.toordinal()
LOCAL_EPOCH: Final = EPOCH.replace(tzinfo=None)
UNITS: Final = {"ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}
EXACT: Final = Context(prec=DECIMAL_DIGITS_MAX + 1)
DECIMAL_BYTES: Final = 16
ZERO_DECIMAL: Final = bytes(DECIMAL_BYTES)
NO_ITEMS: Final = [None]
NO_NAMES: Final = [""]
"""What stands inside lists and maps that are all empty, and belongs to none of them.

nanoarrow 0.9 writes an array without elements without its first offset, which readers miss.
"""


class Filled(NamedTuple):
    """An array: its buffers in Arrow's order, the bitmap of what is there first."""

    length: int
    null_count: int
    buffers: tuple[Bytes | None, ...]
    children: tuple[Filled, ...] = ()


def filled(type_: ArrowType, values: Values) -> Filled:
    """The array of these values, which are what a payload of this type holds."""
    return FILL[type_.kind](type_, values)


def numbers(code: str) -> Callable[[ArrowType, Values], Filled]:
    """Numbers as they are."""

    def fill(_type: ArrowType, values: Values) -> Filled:
        bitmap, nulls = validity(values)
        plain = values if not nulls else [0 if value is None else value for value in values]
        return Filled(len(values), nulls, (bitmap, array(code, plain)))

    return fill


def converted(
    code: str, converter: Callable[[ArrowType], Callable[[Any], int]]
) -> Callable[[ArrowType, Values], Filled]:
    """Numbers that stand for something else."""
    fill_numbers = numbers(code)

    def fill(type_: ArrowType, values: Values) -> Filled:
        convert = converter(type_)
        plain = [None if value is None else convert(value) for value in values]
        return fill_numbers(type_, plain)

    return fill


def days(_type: ArrowType) -> Callable[[Any], int]:
    """Date -> days since 1970."""
    return lambda value: int(value.toordinal()) - UNIX_DAY


def since_midnight(type_: ArrowType) -> Callable[[time], int]:
    """Time of day -> units since midnight."""
    unit = UNITS[type_.unit]

    def convert(value: time) -> int:
        return (datetime.combine(LOCAL_EPOCH, value) - LOCAL_EPOCH) // unit

    return convert


def since_epoch(type_: ArrowType) -> Callable[[datetime], int]:
    """Moment -> units since 1970."""
    unit, epoch = UNITS[type_.unit], LOCAL_EPOCH if type_.zone is None else EPOCH
    return lambda value: (value - epoch) // unit


def bools(_type: ArrowType, values: Values) -> Filled:
    """One bit each."""
    bitmap, nulls = validity(values)
    return Filled(len(values), nulls, (bitmap, bits(values)))


def texts(_type: ArrowType, values: Values) -> Filled:
    """UTF-8; what is no str becomes its text, as a UUID or a wide decimal does."""
    plain = [None if value is None else str(value).encode() for value in values]
    return binaries(_type, plain)


def binaries(_type: ArrowType, values: Values) -> Filled:
    """Bytes of any length."""
    bitmap, nulls = validity(values)
    present = values if not nulls else [value or b"" for value in values]
    return Filled(len(values), nulls, (bitmap, offsets(present), b"".join(present)))


def fixed(type_: ArrowType, values: Values) -> Filled:
    """Bytes of one length."""
    bitmap, nulls = validity(values)
    nothing = bytes(type_.size)
    data = b"".join(nothing if value is None else value for value in values)
    return Filled(len(values), nulls, (bitmap, data))


def decimals(type_: ArrowType, values: Values) -> Filled:
    """Whole numbers of 16 bytes, little endian, to be divided by ten to the scale."""
    bitmap, nulls = validity(values)
    scale = type_.scale

    def encoded(value: Decimal) -> bytes:
        return int(value.scaleb(scale, EXACT)).to_bytes(DECIMAL_BYTES, "little", signed=True)

    data = b"".join(ZERO_DECIMAL if value is None else encoded(value) for value in values)
    return Filled(len(values), nulls, (bitmap, data))


def lists(type_: ArrowType, values: Values) -> Filled:
    """The items of all lists behind each other, and where each begins."""
    bitmap, nulls = validity(values)
    present = [value or () for value in values]
    items = list(chain.from_iterable(present)) or NO_ITEMS
    inner = filled(type_.children[0].type, items)
    return Filled(len(values), nulls, (bitmap, offsets(present)), (inner,))


def maps(type_: ArrowType, values: Values) -> Filled:
    """Lists of pairs of name and value."""
    bitmap, nulls = validity(values)
    present = [value or {} for value in values]
    names = list(chain.from_iterable(present)) or NO_NAMES
    entries = list(chain.from_iterable(value.values() for value in present)) or NO_ITEMS
    pairs = Filled(
        len(names),
        0,
        (None,),
        (texts(type_, names), filled(type_.children[0].type, entries)),
    )
    return Filled(len(values), nulls, (bitmap, offsets(present)), (pairs,))


def structs(type_: ArrowType, values: Values) -> Filled:
    """One array for each field; a record that lacks a field has null there."""
    bitmap, nulls = validity(values)
    present = values if not nulls else [value or {} for value in values]
    children = tuple(
        filled(column.type, [value.get(column.name) for value in present])
        for column in type_.children
    )
    return Filled(len(values), nulls, (bitmap,), children)


def nothings(_type: ArrowType, values: Values) -> Filled:
    """Only null."""
    return Filled(len(values), len(values), ())


def validity(values: Values) -> tuple[bytes | None, int]:
    """The bitmap of what is there and the number of nulls; no bitmap where there are none."""
    if None not in values:
        return None, 0
    present = [value is not None for value in values]
    return bits(present), present.count(False)


def bits(values: Values) -> bytes:
    """One bit for each that is true, the first one lowest."""
    text = "".join(["1" if value else "0" for value in reversed(values)])
    return int(text or "0", 2).to_bytes((len(values) + 7) // 8, "little")


def offsets(values: Sequence[Any]) -> array[int]:
    """Where each begins and the last one ends."""
    return array("i", accumulate(map(len, values), initial=0))


FILL: dict[str, Callable[[ArrowType, Values], Filled]] = {
    "null": nothings,
    "bool": bools,
    "int32": numbers("i"),
    "int64": numbers("q"),
    "float": numbers("f"),
    "double": numbers("d"),
    "string": texts,
    "binary": binaries,
    "fixed": fixed,
    "decimal": decimals,
    "date32": converted("i", days),
    "time32": converted("i", since_midnight),
    "time64": converted("q", since_midnight),
    "timestamp": converted("q", since_epoch),
    "list": lists,
    "map": maps,
    "struct": structs,
}
