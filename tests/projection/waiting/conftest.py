"""Two scenes: one that flows for all tests of a file, and one of a test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.settings import KafkaSettings
from mainstem.testing.databases import Databases
from tests.projection.waiting.scene import Scene


@pytest.fixture(scope="module")
def flowing(mainstem_databases: Databases, kafka: KafkaSettings) -> Iterator[Scene]:
    """Replicator and projector run, and nobody holds them."""
    with mainstem_databases.one(()) as address, Scene(address, kafka) as scene:
        scene.replicate()
        scene.project()
        yield scene


@pytest.fixture
def scene(mainstem_databases: Databases, kafka: KafkaSettings) -> Iterator[Scene]:
    """Nothing runs yet."""
    with mainstem_databases.one(()) as address, Scene(address, kafka) as scene:
        yield scene
