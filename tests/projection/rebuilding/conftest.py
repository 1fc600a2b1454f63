"""A shop for each test of rebuilding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka import KafkaSettings
from tests.projection.rebuilding.shop import Shop, opened


@pytest.fixture
def shop(fresh_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Shop]:
    """A topic and a database of the test's own."""
    with opened(fresh_database, kafka, topic) as shop:
        yield shop
