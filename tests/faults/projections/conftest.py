"""Fixtures of the faults of projections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.settings import KafkaSettings
from tests.faults.projections.arena import Arena


@pytest.fixture
def arena(mainstem_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Arena]:
    """A database and a topic of two partitions of the test's own."""
    with Arena(mainstem_database, kafka, topic, partitions=2) as arena:
        yield arena
