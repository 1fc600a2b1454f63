"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.settings import KafkaSettings
from tests.faults.field import Field


@pytest.fixture
def field(fresh_database: str, kafka: KafkaSettings) -> Iterator[Field]:
    """A database and a topic of the test's own."""
    with Field(fresh_database, kafka) as field:
        yield field
