"""Producers that fill topics for the tests of reading back."""

from __future__ import annotations

import pytest

from mainstem.kafka import KafkaSettings
from tests.kafka.publisher import Publisher


@pytest.fixture
def publisher(kafka: KafkaSettings) -> Publisher:
    """A transactional producer."""
    return Publisher(kafka)


@pytest.fixture
def other_publisher(kafka: KafkaSettings) -> Publisher:
    """Another one, with a transaction of its own."""
    return Publisher(kafka)
