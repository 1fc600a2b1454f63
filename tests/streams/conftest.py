"""Topics, events and applications of these tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams import StreamSettings
from tests.streams.running import Running


@pytest.fixture
def shared_registry() -> MemoryRegistry:
    """A registry that writers and applications share."""
    return MemoryRegistry()


@pytest.fixture
def log(kafka: KafkaSettings, shared_registry: MemoryRegistry) -> Iterator[KafkaEventStore]:
    """What fills topics."""
    with KafkaEventStore.open(kafka, registry=shared_registry, key_type=str) as store:
        yield store


@pytest.fixture
def name() -> str:
    """A name for an application that no other test has."""
    return f"app{uuid.uuid4().hex[:10]}"


@pytest.fixture
def orders(log: KafkaEventStore, name: str) -> str:
    """An empty topic of two partitions."""
    log.create_topic(f"{name}_orders", partitions=2)
    return f"{name}_orders"


@pytest.fixture
def settings(kafka: KafkaSettings, tmp_path: Path) -> StreamSettings:
    """Those of an instance with a folder of its own, which commits often."""
    return StreamSettings(
        kafka=kafka,
        instance="one",
        state_dir=tmp_path / "state",
        commit_interval_s=0.1,
        session_timeout_s=6.0,
    )


@pytest.fixture
def running(settings: StreamSettings, shared_registry: MemoryRegistry) -> Running:
    """Starts applications, and reads what they write."""
    return Running(settings, shared_registry)
