"""Keys that a column cannot hold exactly are refused by pure code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError, ValueOutOfRange, WrongKeyType
from mainstem.postgres.keys import KEY_TYPES, UNBOUNDED, key_type_named

SAMPLES: dict[str, Any] = {
    "uuid": uuid4(),
    "text": "a",
    "bigint": 1,
    "numeric": Decimal(1),
    "boolean": True,
    "bytea": b"a",
    "float": 1.0,
    "bytearray": bytearray(b"a"),
}
FITTING = {
    *((name, name) for name in ("uuid", "text", "bigint", "numeric", "boolean", "bytea")),
    ("integer", "bigint"),
    ("smallint", "bigint"),
    ("numeric", "bigint"),
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", KEY_TYPES)
def test_a_key_fits_only_its_own_type(name: str, sample: str) -> None:
    """Aim: bool is no int, int no Decimal column's stranger, float never. Method: all pairs."""
    key = SAMPLES[sample]
    if (name, sample) in FITTING:
        assert KEY_TYPES[name].exact(key, UNBOUNDED) == key
    else:
        with pytest.raises(WrongKeyType):
            KEY_TYPES[name].exact(key, UNBOUNDED)


NUMERIC_12_2 = (12 << 16 | 2) + 4
NUMERIC_3_MINUS_2 = (3 << 16 | -2 & 0x7FF) + 4


@pytest.mark.parametrize(
    ("name", "key", "modifier"),
    [
        ("text", "a\0b", UNBOUNDED),
        ("text", "\ud800", UNBOUNDED),
        ("bigint", (1 << 63) + 50, UNBOUNDED),
        ("integer", -(1 << 31) - 50, UNBOUNDED),
        ("smallint", 40_000, UNBOUNDED),
        ("numeric", Decimal("NaN"), UNBOUNDED),
        ("numeric", Decimal("-Infinity"), UNBOUNDED),
        ("numeric", Decimal("1E+131072"), UNBOUNDED),
        ("numeric", Decimal("1E-16384"), UNBOUNDED),
        ("numeric", Decimal("1.234"), NUMERIC_12_2),
        ("numeric", Decimal(10_000_000_000), NUMERIC_12_2),
        ("numeric", 150, NUMERIC_3_MINUS_2),
    ],
)
def test_a_key_beyond_its_column_is_refused_unseen(name: str, key: Any, modifier: int) -> None:
    """Aim: nothing is rounded or cut, and no key is in a message. Method: just beyond each end."""
    with pytest.raises(ValueOutOfRange) as caught:
        KEY_TYPES[name].exact(key, modifier)

    assert str(key) not in caught.value.message


@pytest.mark.parametrize(
    ("key", "modifier"),
    [
        (Decimal("9999999999.99"), NUMERIC_12_2),
        (Decimal("1.500"), NUMERIC_12_2),
        (Decimal("1E+2"), NUMERIC_12_2),
        (Decimal(0), NUMERIC_3_MINUS_2),
        (99900, NUMERIC_3_MINUS_2),
    ],
)
def test_a_numeric_key_that_fits_its_column_is_kept(key: Any, modifier: int) -> None:
    """Aim: no false alarm at the edges. Method: the largest, trailing zeros, negative scale."""
    assert KEY_TYPES["numeric"].exact(key, modifier) == key


def test_an_unknown_key_type_is_refused_with_the_known_ones() -> None:
    """Aim: an error that helps. Method: ask for a type that keys cannot have."""
    with pytest.raises(ConfigurationError) as caught:
        key_type_named("float")

    assert "uuid" in caught.value.hint
