"""The fixture `caught_up`: tests of projections without a sleep, as projects have them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import ConfigurationError, Refusal
from mainstem.event import StoredEvent
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import describe_topic
from mainstem.projection import Projection, on
from mainstem.testing.databases import Databases
from mainstem.testing.projections import CaughtUp, passing_topic

pytestmark = pytest.mark.stack

PROJECT = """
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4
import psycopg
import pytest
from mainstem import Event, Int32, StoredEvent, event_type
from mainstem.projection import Projection, on
from mainstem.projection.waiting import ProjectionHalted

TOPIC = "{topic}"

@event_type("com.example.plugin")
@dataclass(frozen=True)
class Counted:
    count: Int32

class Counts(Projection):
    name = "counts_{topic}"
    topics = (TOPIC,)
    tables = ("counts",)
    ddl = "CREATE TABLE IF NOT EXISTS counts (count integer)"

    @on(Counted)
    def counted(self, events: Sequence[StoredEvent[Counted]], tx: psycopg.Connection) -> None:
        for event in events:
            tx.execute("INSERT INTO counts VALUES (100 / %s)", (event.payload.count,))

@pytest.fixture
def event_topics():
    return [TOPIC]

@pytest.fixture
def event_projections():
    return [Counts]

def counts(address):
    with psycopg.connect(address) as connection:
        return connection.execute("SELECT count FROM counts").fetchall()

def test_sync(event_store, caught_up, mainstem_database):
    for count in (1, 2):
        event_store.save(TOPIC, Event(uuid4(), Counted(count)))
        caught_up()
        assert len(counts(mainstem_database)) == count

@pytest.mark.asyncio
async def test_async(async_event_store, async_caught_up, mainstem_database):
    await async_event_store.save(TOPIC, Event(uuid4(), Counted(4)))
    await async_caught_up()
    assert counts(mainstem_database) == [(25,)]

def test_an_event_that_cannot_be_applied(event_store, caught_up):
    event_store.save(TOPIC, Event(uuid4(), Counted(0)))
    with pytest.raises(ProjectionHalted, match="DivisionByZero"):
        caught_up()
"""


def test_tests_of_projections_wait_for_what_they_saved(
    database_url: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Run a project with three tests on one topic: each finds its own events, and no other's."""
    topic = f"p{uuid4().hex[:10]}_events"
    (tmp_path / "test_project.py").write_text(PROJECT.format(topic=topic), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    command += ["-o", "asyncio_default_fixture_loop_scope=function"]
    servers = {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP": kafka.bootstrap}
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **servers},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    assert describe_topic(kafka, topic) is None


def test_what_ends_the_replicator_ends_the_waiting(
    mainstem_databases: Databases, kafka: KafkaSettings, topic: str
) -> None:
    """The table is replaced behind its back: the refusal comes out of `caught_up` at once."""
    with mainstem_databases.one([topic]) as address:
        caught_up = CaughtUp(address, kafka, [nothing_of(topic)])
        with caught_up.running(), psycopg.connect(address, autocommit=True) as connection:
            caught_up()
            connection.execute(f'ALTER TABLE events."{topic}" RENAME TO other_events')
            connection.execute(
                "INSERT INTO events.other_events (key, data, timestamp)"
                " VALUES (gen_random_uuid(), '', now())"
            )
            with pytest.raises(Refusal) as caught:
                caught_up()

    assert caught.value.name == "table-renamed"


def nothing_of(name: str) -> type[Projection]:
    """A projection of this topic that does nothing."""

    class Nothing(Projection):
        """Takes every event."""

        topics = (name,)

        @on()
        async def note(self, event: StoredEvent[Any], tx: psycopg.AsyncConnection[Any]) -> None:
            """Do nothing."""

    Nothing.name = f"nothing_{name}"
    return Nothing


def test_a_topic_that_is_there_is_left_alone(kafka: KafkaSettings, topic: str) -> None:
    """It may be somebody's: refuse to work on it, and delete nothing."""
    refuses = pytest.raises(ConfigurationError, match=topic)
    with passing_topic(kafka, topic), refuses, passing_topic(kafka, topic):
        pass

    assert describe_topic(kafka, topic) is None
