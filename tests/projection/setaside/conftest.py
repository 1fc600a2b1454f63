"""A clinic for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.settings import KafkaSettings
from tests.projection.setaside.clinic import Clinic, opened


@pytest.fixture
def clinic(fresh_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Clinic]:
    """A topic and a database of the test's own."""
    with opened(fresh_database, kafka, topic) as clinic:
        yield clinic
