"""A scene for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.settings import KafkaSettings
from tests.kafka.publisher import created
from tests.projection.running.journal import DDL
from tests.projection.running.scene import Scene


@pytest.fixture
def scene(mainstem_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Scene]:
    """A topic of two partitions, and a database of the test's own."""
    with created(kafka, topic):
        scene = Scene(mainstem_database, kafka, topic)
        scene.rows(DDL)
        yield scene
        scene.close()
