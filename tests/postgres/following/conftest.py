"""A database of the test's own, with a publication, a topic, and what follows it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest

from mainstem.event import Event, Position
from mainstem.postgres.following.batches import Request
from mainstem.postgres.following.faces import Following
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import Wire
from tests.postgres.payloads import Noted

PUBLICATION = (
    "CREATE PUBLICATION mainstem WITH (publish = 'insert', publish_via_partition_root = true)"
)


class Field(NamedTuple):
    """One database with one published topic, and a connection in autocommit mode."""

    database_url: str
    topic: str
    connection: psycopg.Connection[Any]
    wire: Wire
    opened: ExitStack

    def request(self, after: int | Position | None = None, topic: str | None = None) -> Request:
        """What to follow."""
        return Request(self.database_url, topic or self.topic, after, self.wire.unpack)

    def follow(self, after: int | Position | None = None) -> Following:
        """Follow the topic until the test ends."""
        return self.opened.enter_context(Following(self.request(after)))

    def insert(
        self,
        count: int = 1,
        *,
        topic: str | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> list[int]:
        """Insert so many events by one statement; their ids."""
        frame = self.insert_data()
        rows = (connection or self.connection).execute(
            f"INSERT INTO events.{topic or self.topic} (key, data, timestamp)"
            " SELECT gen_random_uuid(), %s, now() FROM generate_series(1, %s) RETURNING id",
            (frame, count),
        )
        return [id_ for (id_,) in rows.fetchall()]

    def insert_data(self, text: str = "ä") -> bytes:
        """The data of an event."""
        return self.wire.pack(Event(uuid4(), Noted(text=text, count=1))).data

    def anchor(self, name: str | None = None) -> str:
        """A slot that holds what commits from now on."""
        name = name or f"anchor_{uuid4().hex[:8]}"
        self.connection.execute(
            "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,)
        )
        return name

    def temporary_slots(self) -> int:
        """How many followers' slots this database has."""
        row = self.connection.execute(
            "SELECT count(*) FROM pg_replication_slots"
            " WHERE temporary AND database = current_database()"
        ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def field(fresh_database: str) -> Iterator[Field]:
    """A topic that can be followed."""
    topic = f"t{uuid4().hex[:10]}_events"
    wire = Wire(MemoryRegistry(), [Noted])
    with (
        psycopg.connect(fresh_database, autocommit=True) as connection,
        ExitStack() as opened,
    ):
        connection.execute(PUBLICATION)
        create_topic(connection, topic)
        yield Field(fresh_database, topic, connection, wire, opened)
        gc.collect()


@pytest.fixture
def versioned(field: Field) -> Field:
    """The same with a topic that has every optional column."""
    topic = f"v{uuid4().hex[:10]}_events"
    create_topic(field.connection, topic, TopicOptions(versioned=True, idempotent=True))
    return field._replace(topic=topic)


def until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait for a condition."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition was not met in time"
        threading.Event().wait(0.01)
