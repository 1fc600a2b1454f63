"""Single values of Python -> what the driver writes; pure.

Every check of range and kind stands here. A value that does not fit raises Unfit, which the
record around it turns into an error that names class and field, never the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact
from typing import Any, TypeAlias
from uuid import UUID

from mainstem.event import EPOCH
from mainstem.schema.shape import Shape

Convert: TypeAlias = Callable[[Any], Any]

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
FLOAT_MAX = 3.4028235677973366e38
"""From here on a double rounds to infinity in single precision."""
DAY_SHIFT = date(1970, 1, 1).toordinal()
LOCAL_EPOCH = EPOCH.replace(tzinfo=None)
FIRST_MOMENT = datetime.min.replace(tzinfo=UTC) - EPOCH
LAST_MOMENT = datetime.max.replace(tzinfo=UTC) - EPOCH
"""Since 1970, in UTC: of the years 1 to 9999 in another time zone, some hours lie beyond."""
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


class Unfit(Exception):
    """A value that its Avro type cannot hold; says why, without the value."""


class NaiveMoment(Unfit):
    """A datetime without time zone."""


def lowering(shape: Shape) -> Convert:
    """Python's value -> the driver's; Unfit."""
    if shape.logical == "decimal":
        return lower_decimal(shape)
    if shape.logical:
        return LOWER_LOGICAL[shape.logical]
    if shape.kind == "fixed":
        return lower_fixed(shape.size)
    return LOWER[shape.kind]


def lower_instance(cls: type, refused: type | None = None) -> Convert:
    """Takes values of this class as they are; `refused` is a subclass that means another thing."""

    def lower(value: Any) -> Any:
        if not isinstance(value, cls) or (refused is not None and isinstance(value, refused)):
            raise Unfit(f"{type(value).__name__} where {cls.__name__} belongs")
        return value

    return lower


def lower_whole(low: int, high: int, bits: int) -> Convert:
    """Takes whole numbers of so many bits."""

    def lower(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"{type(value).__name__} where int belongs")
        if not low <= value <= high:
            raise Unfit(f"a number outside {bits} bits")
        return value

    return lower


def lower_double(value: Any) -> float:
    """Takes float, and int where nothing of it is lost."""
    if isinstance(value, float):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(f"{type(value).__name__} where float belongs")
    if abs(value) > 2**53:
        raise Unfit("a whole number that float cannot hold exactly")
    return float(value)


def lower_float(value: Any) -> float:
    """Takes float within single precision's range; digits beyond it are rounded."""
    number = lower_double(value)
    if math.isfinite(number) and abs(number) >= FLOAT_MAX:
        raise Unfit("a number beyond single precision")
    return number


def lower_string(value: Any) -> str:
    """Takes text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise Unfit(f"{type(value).__name__} where str belongs")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("a text with a lone surrogate") from None
    return value


def lower_fixed(size: int) -> Convert:
    """Takes bytes of exactly this length."""

    def lower(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise Unfit(f"a fixed of {size} bytes takes bytes of just that length")
        return value

    return lower


def lower_uuid(value: Any) -> str:
    """A UUID in lower case."""
    if not isinstance(value, UUID):
        raise Unfit(f"{type(value).__name__} where UUID belongs")
    return str(value)


def lower_date(value: Any) -> int:
    """Days since 1970; a datetime is not a date."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit(f"{type(value).__name__} where date belongs")
    return value.toordinal() - DAY_SHIFT


def lower_moment(unit: timedelta) -> Convert:
    """Units since 1970 of a datetime with a time zone, floored."""

    def lower(value: Any) -> int:
        if not isinstance(value, datetime):
            raise Unfit(f"{type(value).__name__} where datetime belongs")
        if value.tzinfo is None or value.utcoffset() is None:
            raise NaiveMoment("a datetime without time zone")
        since = value - EPOCH
        if not FIRST_MOMENT <= since <= LAST_MOMENT:
            raise Unfit("a moment outside the years 1 to 9999 in UTC")
        return since // unit

    return lower


def lower_local(unit: timedelta) -> Convert:
    """Units since 1970 of a datetime without time zone, floored."""

    def lower(value: Any) -> int:
        if not isinstance(value, datetime) or value.tzinfo is not None:
            raise Unfit("a local timestamp takes a datetime without time zone")
        return (value - LOCAL_EPOCH) // unit

    return lower


def lower_time(unit: timedelta) -> Convert:
    """Units since midnight, floored."""

    def lower(value: Any) -> int:
        if not isinstance(value, time) or value.tzinfo is not None:
            raise Unfit("a time of day takes a time without time zone")
        return (datetime.combine(LOCAL_EPOCH, value) - LOCAL_EPOCH) // unit

    return lower


def lower_decimal(shape: Shape) -> Convert:
    """The digits as a big-endian number of the fewest bytes; of all bytes of a fixed."""
    precision, scale, size = shape.precision, shape.scale, shape.size
    exact = Context(prec=precision, traps=[Inexact])

    def lower(value: Any) -> bytes:
        if not isinstance(value, Decimal):
            raise Unfit(f"{type(value).__name__} where Decimal belongs")
        if not value.is_finite() or (value and value.adjusted() + 1 + scale > precision):
            raise Unfit(f"a decimal of more than {precision - scale} digits before the point")
        unscaled = whole(value, scale, exact)
        length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
        if size and length > size:
            raise Unfit(f"a decimal of more than {size} bytes")
        return unscaled.to_bytes(size or length, "big", signed=True)

    return lower


def whole(value: Decimal, scale: int, exact: Context) -> int:
    """The value times 10**scale, if that is a whole number; its size was checked before."""
    if not value:
        return 0
    try:
        scaled = value.scaleb(scale, exact)
    except Inexact:
        raise Unfit(f"a decimal of more than {exact.prec} digits") from None
    if scaled != scaled.to_integral_value():
        raise Unfit(f"a decimal of more than {scale} digits after the point")
    return int(scaled)


LOWER: dict[str, Convert] = {
    "null": lower_instance(type(None)),
    "boolean": lower_instance(bool),
    "int": lower_whole(INT_MIN, INT_MAX, 32),
    "long": lower_whole(LONG_MIN, LONG_MAX, 64),
    "float": lower_float,
    "double": lower_double,
    "bytes": lower_instance(bytes),
    "string": lower_string,
}
LOWER_LOGICAL: dict[str, Convert] = {
    "uuid": lower_uuid,
    "date": lower_date,
    "timestamp-millis": lower_moment(MILLISECOND),
    "timestamp-micros": lower_moment(MICROSECOND),
    "local-timestamp-millis": lower_local(MILLISECOND),
    "local-timestamp-micros": lower_local(MICROSECOND),
    "time-millis": lower_time(MILLISECOND),
    "time-micros": lower_time(MICROSECOND),
}
