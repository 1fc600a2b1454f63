"""Keys: which Python values a key column can hold exactly, decided before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from mainstem.errors import ConfigurationError, ValueOutOfRange, WrongKeyType
from mainstem.event import Key

UNBOUNDED = -1
"""The type modifier of a column that was declared without length or precision."""

NUMERIC_INTEGRAL_DIGITS_MAX = 131_072
NUMERIC_SCALE_MAX = 16_383


class KeyType(NamedTuple):
    """A column type that keys can have: its name in SQL, its oid, and what it holds exactly."""

    name: str
    oid: int
    exact: Callable[[Key, int], Key]
    """(key, type modifier) -> the value to bind; WrongKeyType or ValueOutOfRange."""


def uuid_key(key: Key, _modifier: int) -> Key:
    """A UUID as it is."""
    if not isinstance(key, UUID):
        raise mismatch("uuid", "a UUID", key)
    return key


def text_key(key: Key, _modifier: int) -> Key:
    """A str as it is; ValueOutOfRange for what PostgreSQL's text cannot hold."""
    if not isinstance(key, str):
        raise mismatch("text", "a str", key)
    if "\0" in key or any("\ud800" <= letter <= "\udfff" for letter in key):
        raise ValueOutOfRange("a text key cannot hold NUL or lone surrogates")
    return str.__str__(key)


def integer_key(name: str, bits: int) -> Callable[[Key, int], Key]:
    """The check for integers of so many bits; bool and float are no integers."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def exact(key: Key, _modifier: int) -> Key:
        if isinstance(key, bool) or not isinstance(key, int):
            raise mismatch(name, "an int", key)
        if not low <= key <= high:
            raise ValueOutOfRange(f"a key of type {name} must be between {low} and {high}")
        return int(key)

    return exact


def numeric_key(key: Key, modifier: int) -> Key:
    """A Decimal or int; ValueOutOfRange where the column would round or refuse it."""
    if isinstance(key, bool) or not isinstance(key, (Decimal, int)):
        raise mismatch("numeric", "a Decimal or an int", key)
    number = Decimal(key)
    if not number.is_finite():
        raise ValueOutOfRange("a numeric key must be a finite number")
    if not number:
        return number
    integral_digits_max, scale_max = numeric_bounds(modifier)
    integral_digits = number.adjusted() + 1
    if integral_digits > integral_digits_max or scale(number) > scale_max:
        raise ValueOutOfRange(
            f"a key of this numeric column has at most {integral_digits_max} digits before"
            f" and {scale_max} after the point"
        )
    return number


def boolean_key(key: Key, _modifier: int) -> Key:
    """A bool as it is."""
    if not isinstance(key, bool):
        raise mismatch("boolean", "a bool", key)
    return key


def bytea_key(key: Key, _modifier: int) -> Key:
    """Bytes as they are."""
    if not isinstance(key, bytes):
        raise mismatch("bytea", "bytes", key)
    return key


KEY_TYPES = {
    key_type.name: key_type
    for key_type in (
        KeyType("uuid", 2950, uuid_key),
        KeyType("text", 25, text_key),
        KeyType("bigint", 20, integer_key("bigint", 64)),
        KeyType("integer", 23, integer_key("integer", 32)),
        KeyType("smallint", 21, integer_key("smallint", 16)),
        KeyType("numeric", 1700, numeric_key),
        KeyType("boolean", 16, boolean_key),
        KeyType("bytea", 17, bytea_key),
    )
}
KEY_TYPES_BY_OID = {key_type.oid: key_type for key_type in KEY_TYPES.values()}


def key_type_named(name: str) -> KeyType:
    """The key type of this name; ConfigurationError if keys cannot have it."""
    if name not in KEY_TYPES:
        raise ConfigurationError(
            f"{name!r} is no type that keys can have", hint=f"use one of {', '.join(KEY_TYPES)}"
        )
    return KEY_TYPES[name]


def numeric_bounds(modifier: int) -> tuple[int, int]:
    """Digits before and after the point that a numeric column with this type modifier holds."""
    if modifier == UNBOUNDED:
        return NUMERIC_INTEGRAL_DIGITS_MAX, NUMERIC_SCALE_MAX
    # As PostgreSQL packs it: precision above, scale as a signed number of 11 bits below.
    packed = modifier - 4
    scale_max = ((packed & 0x7FF) ^ 1024) - 1024
    return (packed >> 16 & 0xFFFF) - scale_max, scale_max


def scale(number: Decimal) -> int:
    """Digits after the point that a number needs; negative where it ends in zeros before it."""
    exponent, digits = number.as_tuple().exponent, number.as_tuple().digits
    assert isinstance(exponent, int), "only finite numbers have a scale"
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -(exponent + trailing)


def mismatch(name: str, wanted: str, key: object) -> WrongKeyType:
    """The error for a key of the wrong class; it never shows the key."""
    return WrongKeyType(
        f"the table's key is {name}: it takes {wanted}, not {type(key).__name__}",
        hint="convert the key, or save to a topic whose table has that key type",
    )
