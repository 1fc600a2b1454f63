"""A database with a topic, its replicator in a thread, and a projector that tests hold by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import psycopg

from mainstem import Event, event_type
from mainstem.assembly import registry_for
from mainstem.event import StoredEvent
from mainstem.kafka.consumer import TopicReader
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import create_event_topic
from mainstem.postgres.topics import create_topic
from mainstem.projection.definition import Projection, define
from mainstem.projection.handlers import on
from mainstem.projection.projector import Projector
from mainstem.projection.settings import ProjectorSettings
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.stopping import Stop
from tests.kafka.publisher import delete_topic

PARTITIONS = 2
SEEN = "CREATE TABLE IF NOT EXISTS seen (key uuid, number bigint)"
ADVANCE = """
    INSERT INTO _mainstem.projection_offsets ("group", topic, "partition", topic_id, "offset")
    VALUES (%s, %s, %s, '', %s)
    ON CONFLICT ("group", topic, "partition") DO UPDATE SET "offset" = excluded."offset"
"""
HALT = """
    INSERT INTO _mainstem.projection_halts
        ("group", topic, "partition", "offset", error_type, error, attempts)
    SELECT %s, %s, n, 0, 'ValueError', '', 1 FROM generate_series(0, %s) n
"""


@event_type("com.example.waiting")
@dataclass(frozen=True, slots=True)
class Happened:
    """Something."""

    number: int


@dataclass
class Scene:
    """Where waiting is tried; every name is its own."""

    database_url: str
    kafka: KafkaSettings
    heartbeat_s: float = 5.0
    topic: str = field(default_factory=lambda: f"w{uuid4().hex[:10]}_events")
    line: str = field(default_factory=lambda: f"w{uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        """Say what the projection is."""
        self._ends = ExitStack()

        class Seen(Projection):
            """Notes the keys that it has seen."""

            name = f"seen_{self.line}"
            topics = (self.topic,)
            tables = ("seen",)

            @on()
            async def note(
                self, events: Sequence[StoredEvent[Any]], tx: psycopg.AsyncConnection[Any]
            ) -> None:
                """Note them."""
                async with tx.cursor() as cursor:
                    await cursor.executemany(
                        "INSERT INTO seen VALUES (%s, 1)", [(event.key,) for event in events]
                    )

        self.projection = Seen

    @property
    def group(self) -> str:
        """Of the projection."""
        return f"seen_{self.line}.v1"

    def __enter__(self) -> Self:
        """Make the table and the topic."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            create_topic(connection, self.topic)
        create_event_topic(self.kafka, self.topic, partitions=PARTITIONS)
        self._ends.callback(delete_topic, self.kafka, self.topic)
        self.execute(SEEN)
        self._asking = threading.Lock()
        self._connection = psycopg.connect(self.database_url, autocommit=True)
        self._ends.callback(self._connection.close)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what was started, and take the topic away."""
        self._ends.close()

    def execute(self, statement: str, *params: object) -> list[Any]:
        """Run a statement by itself."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def event(self) -> Event[Happened]:
        """Another event."""
        return Event(uuid4(), Happened(1))

    def has_seen(self, event: Event[Happened]) -> bool:
        """Whether the projection shows the event, by a connection that is used to being asked."""
        with self._asking:
            found = self._connection.execute("SELECT FROM seen WHERE key = %s", (event.key,))
            return found.fetchone() is not None

    def replicate(self) -> None:
        """Start the replicator; it ends with the scene."""
        settings = ReplicatorSettings(
            self.database_url, self.kafka, line=self.line, heartbeat_s=self.heartbeat_s
        )
        stop = Stop()
        self._run(Replicator(settings, stop=stop).run, stop)

    def project(self) -> None:
        """Start the projector; it ends with the scene."""
        registry = registry_for(self.database_url, None)
        self._ends.callback(registry.close)
        settings = ProjectorSettings(database_url=self.database_url, kafka=self.kafka)
        stop = Stop()
        self._run(Projector(define(self.projection), settings, registry, stop=stop).run, stop)

    def _run(self, run: Callable[[], None], stop: Stop) -> None:
        """Run it in a thread until the scene ends."""
        thread = threading.Thread(target=run)
        thread.start()
        self._ends.callback(thread.join)
        self._ends.callback(stop.request)

    def halt(self) -> None:
        """Let the projection have stopped at the first event of each partition."""
        self.execute(HALT, self.group, self.topic, PARTITIONS - 1)

    def project_by_hand(self) -> Hand:
        """Start a projector that can be held; it ends with the scene."""
        return self._ends.enter_context(Hand(self).working())


class Hand:
    """A projector of a few lines, which can be held."""

    def __init__(self, scene: Scene) -> None:
        """Not held."""
        self._scene = scene
        self._free = threading.Event()
        self._free.set()
        self._ended = False

    def hold(self) -> None:
        """Apply nothing for now."""
        self._free.clear()

    def let_go(self) -> None:
        """Go on."""
        self._free.set()

    @contextmanager
    def working(self) -> Iterator[Hand]:
        """Work in a thread, for the block."""
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield self
        finally:
            self._ended = True
            self.let_go()
            thread.join()

    def _work(self) -> None:
        """Apply rows and offsets together, batch by batch; markers are counted when it is dry."""
        scene = self._scene
        told: dict[int, int] = {}
        with (
            TopicReader(scene.kafka, scene.topic) as reader,
            psycopg.connect(scene.database_url, autocommit=True) as connection,
        ):
            while not self._ended:
                batch = reader.batch(0.05)
                self._free.wait()
                with connection.transaction():
                    for each in batch:
                        key = (each.key or b"").decode()
                        connection.execute("INSERT INTO seen VALUES (%s, 1)", (key,))
                    for partition, reached in reader.reached.items():
                        if told.get(partition) != reached:
                            told[partition] = reached
                            place = (scene.group, scene.topic, partition, reached - 1)
                            connection.execute(ADVANCE, place)
