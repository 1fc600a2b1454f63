"""The partition of a key is the one that Java's clients choose."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import murmur2

from tests.vectors.load import vectors


@pytest.mark.parametrize("case", vectors("partitioner")["cases"], ids=lambda case: case["key"][:16])
def test_murmur2_is_that_of_java(case: dict[str, Any]) -> None:
    """Compare librdkafka's partition of each key with Java's, for four counts of partitions."""
    key = bytes.fromhex(case["key"])

    for count, partition in case["partition"].items():
        assert murmur2(key, int(count)) == partition
