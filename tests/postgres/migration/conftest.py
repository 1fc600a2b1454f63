"""A database of the test's own, furnished as a command would, and a replicator to run over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.drivers.psycopg import run_atomically
from mainstem.postgres.migration.migrating import running
from mainstem.postgres.migration.script import init_script
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import ReplicatorSettings


@pytest.fixture
def admin(fresh_database: str) -> Iterator[psycopg.Connection[Any]]:
    """The superuser in a database of the test's own."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def furnished(admin: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The same, after `mainstem init`."""
    run_atomically(admin, running(init_script()))
    return admin


@pytest.fixture
def replicate(kafka: KafkaSettings, topic: str) -> Callable[[str], int]:
    """Run a replicator from an address until all is in Kafka; how many events it published."""

    def drain(database_url: str) -> int:
        replicator = Replicator(ReplicatorSettings(database_url, kafka, line=f"l_{topic}"))
        replicator.run(once=True)
        return replicator.events

    return drain
