"""Producers that fill topics for the tests of reading back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from tests.kafka.measured import Measured
from tests.kafka.publisher import Publisher, created


@pytest.fixture
def publisher(kafka: KafkaSettings) -> Publisher:
    """A transactional producer."""
    return Publisher(kafka)


@pytest.fixture
def other_publisher(kafka: KafkaSettings) -> Publisher:
    """Another one, with a transaction of its own."""
    return Publisher(kafka)


@pytest.fixture
def shared_registry() -> MemoryRegistry:
    """A registry that writers and readers share."""
    return MemoryRegistry()


@pytest.fixture
def log(kafka: KafkaSettings, shared_registry: MemoryRegistry) -> Iterator[KafkaEventStore]:
    """A store."""
    with KafkaEventStore.open(kafka, registry=shared_registry, types=[Measured]) as store:
        yield store


@pytest.fixture
def two_partitions(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of two partitions."""
    with created(kafka, topic):
        yield topic
