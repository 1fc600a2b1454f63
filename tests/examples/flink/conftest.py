"""Topics for the job, what goes into it, and what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mainstem.assembly import registry_for
from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.registry.registry import Registry
from tests.examples.flink import orders
from tests.examples.flink.environment import environment
from tests.examples.flink.feeding import Feed, Results
from tests.examples.flink.running import Cluster, Job, Processes

MINUTES_BEFORE = 5


@pytest.fixture
def registry(registry_url: str) -> Iterator[Registry]:
    """Schemas where Flink finds them."""
    with closing(registry_for("", registry_url)) as registry:
        yield registry


@pytest.fixture
def servers(kafka: KafkaSettings, registry_url: str) -> dict[str, str]:
    """What the job finds in its environment."""
    return {"KAFKA_BOOTSTRAP": kafka.bootstrap, "SCHEMA_REGISTRY_URL": registry_url}


@pytest.fixture
def processes(tmp_path: Path, servers: dict[str, str]) -> Iterator[Processes]:
    """Those of the test; they end with it, and what they printed stays in its folder."""
    with closing(Processes(tmp_path, servers)) as processes:
        yield processes


@pytest.fixture
def job(processes: Processes) -> Job:
    """The job in one process, not started yet."""
    return Job(processes, environment())


@pytest.fixture
def cluster(processes: Processes) -> Cluster:
    """A cluster, not started yet."""
    return Cluster(processes, environment())


@pytest.fixture
def log(kafka: KafkaSettings, registry: Registry) -> Iterator[KafkaEventStore]:
    """Where the orders are saved."""
    with KafkaEventStore.open(kafka, registry=registry) as log:
        yield log


@pytest.fixture
def results(
    kafka: KafkaSettings, registry: Registry, topic: str, log: KafkaEventStore
) -> Iterator[Results]:
    """What comes out; both topics are there, and empty."""
    log.create_topic(f"orders_{topic}", partitions=3)
    log.create_topic(topic, partitions=2)
    types = [orders.shop.RevenueCounted]
    with (
        KafkaEventStore.open(kafka, registry=registry, types=types, key_type=str) as read,
        read.subscribe(topic) as subscription,
    ):
        yield Results(subscription)


@pytest.fixture
def feed(log: KafkaEventStore, topic: str) -> Feed:
    """Orders; some minutes of them are there before the job starts."""
    feed = Feed(log, f"orders_{topic}", seed=random.randrange(1_000_000))
    feed.save_minutes(MINUTES_BEFORE)
    return feed


@pytest.fixture
def places(topic: str) -> tuple[str, ...]:
    """Options of the job: what its topics are called, and its transactions."""
    return ("--orders", f"orders_{topic}", "--revenue", topic, "--job", topic)
