"""Single values that the driver read -> Python's, by logical type; pure.

A value that Python cannot hold, or that its type does not allow, is a DecodeError.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from mainstem.errors import DecodeError
from mainstem.event import EPOCH
from mainstem.schema.lowering import DAY_SHIFT, LOCAL_EPOCH, MICROSECOND, MILLISECOND, Convert
from mainstem.schema.shape import Shape

UUID_CHARACTERS = 36


def lifting(shape: Shape) -> Convert:
    """The driver's value -> Python's; DecodeError."""
    if shape.logical == "decimal":
        return lift_decimal(shape)
    return LIFT_LOGICAL.get(shape.logical, as_it_is)


def as_it_is(value: Any) -> Any:
    """The value."""
    return value


def lift_decimal(shape: Shape) -> Convert:
    """The number that stands in the bytes, with exactly `scale` digits after the point."""
    limit, scale = 10**shape.precision, shape.scale
    wide = Context(prec=shape.precision + 1)

    def lift(value: bytes) -> Decimal:
        unscaled = int.from_bytes(value, "big", signed=True)
        if not value or abs(unscaled) >= limit:
            raise DecodeError("a decimal outside its precision")
        return Decimal(unscaled).scaleb(-scale, wide)

    return lift


def lift_moment(epoch: datetime, unit: timedelta) -> Convert:
    """The moment so many units after the epoch."""

    def lift(value: int) -> datetime:
        try:
            return epoch + value * unit
        except OverflowError:
            raise DecodeError("a timestamp outside the years 1 to 9999") from None

    return lift


def lift_time(unit: timedelta) -> Convert:
    """The time of day so many units after midnight."""

    def lift(value: int) -> time:
        if not 0 <= value < timedelta(days=1) // unit:
            raise DecodeError("a time outside the day")
        return (LOCAL_EPOCH + value * unit).time()

    return lift


def lift_date(value: int) -> date:
    """The date so many days after 1970."""
    try:
        return date.fromordinal(value + DAY_SHIFT)
    except (ValueError, OverflowError):
        raise DecodeError("a date outside the years 1 to 9999") from None


def lift_uuid(value: str) -> UUID:
    """The UUID in its usual text of 36 characters."""
    try:
        if len(value) == UUID_CHARACTERS:
            return UUID(value)
    except ValueError:
        pass
    raise DecodeError("a text that is no UUID")


LIFT_LOGICAL: dict[str, Convert] = {
    "uuid": lift_uuid,
    "date": lift_date,
    "timestamp-millis": lift_moment(EPOCH, MILLISECOND),
    "timestamp-micros": lift_moment(EPOCH, MICROSECOND),
    "local-timestamp-millis": lift_moment(LOCAL_EPOCH, MILLISECOND),
    "local-timestamp-micros": lift_moment(LOCAL_EPOCH, MICROSECOND),
    "time-millis": lift_time(MILLISECOND),
    "time-micros": lift_time(MICROSECOND),
}
