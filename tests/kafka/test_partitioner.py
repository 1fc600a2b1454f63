"""The partition of a key is the one that Java's clients choose, in our code and in the client's."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.kafka import KafkaSettings
from mainstem.kafka.consumer import end_offsets, read
from mainstem.kafka.partitioner import home_partition
from tests.kafka.publisher import Publisher, created
from tests.vectors.load import vectors

CASES = vectors("partitioner")["cases"]
PARTITIONS = 6


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["key"][:16])
def test_the_home_of_a_key_is_that_of_java(case: dict[str, Any]) -> None:
    """Compare our partition of each key with Java's, for four counts of partitions."""
    key = bytes.fromhex(case["key"])

    for count, partition in case["partition"].items():
        assert home_partition(key, int(count)) == partition


@pytest.mark.stack
def test_the_client_puts_each_key_where_java_does(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Publish every key of the vectors and read where each went."""
    keys = {bytes.fromhex(case["key"]): case["partition"][str(PARTITIONS)] for case in CASES}
    with created(kafka, topic, PARTITIONS):
        with publisher.transaction() as transaction:
            for key in keys:
                transaction.publish_raw(topic, (key, b"", 1_700_000_000_000, ()))
        batches = list(read(kafka, topic, None, end_offsets(kafka, topic)))

    assert {each.key: each.partition for batch in batches for each in batch} == keys
