"""A pair of table and topic for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka import KafkaSettings
from tests.verification.pair import Pair


@pytest.fixture
def pair(database_url: str, kafka: KafkaSettings) -> Iterator[Pair]:
    """A table and a topic of one name."""
    pair = Pair(database_url, kafka)
    yield pair
    pair.close()
