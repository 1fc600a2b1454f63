"""A database, a topic and payloads of its own for a test, and projectors to be run on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import psycopg

from mainstem import Event, event_type
from mainstem.event import Position
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.policy import Policy, Stop
from mainstem.projection.projector import Projector
from mainstem.projection.reporting import ProjectorStatus
from mainstem.projection.settings import ProjectorSettings
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from mainstem.schema.declare import Int32
from mainstem.stopping import Stop as Request
from mainstem.wire import Wire
from tests.kafka.publisher import Publisher

NAMESPACE = UUID(int=9)
FIRST_LSN = 0x100000
DEADLINE_S = 20.0
POLL_S = 0.02
STATUS_S = 0.1
KEYS = 5


@event_type("com.example.running")
@dataclass(frozen=True, slots=True, kw_only=True)
class Sold:
    """Something was sold."""

    number: Int32
    bad: bool = False


@event_type("com.example.running")
@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Something came back."""

    number: Int32


class Told:
    """Keeps what a projector tells."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.notes: list[str] = []
        self.statuses: list[ProjectorStatus] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)

    def status(self, status: ProjectorStatus) -> None:
        """Keep it."""
        self.statuses.append(status)


class Scene:
    """Where projections run; every name is the test's own."""

    def __init__(self, dsn: str, kafka: KafkaSettings, topic: str) -> None:
        """Events are published by `publish`, numbered from 0."""
        self.dsn, self.kafka, self.topic = dsn, kafka, topic
        self.registry = CachingRegistry(PostgresRegistry(dsn))
        self.wire = Wire(self.registry, (Sold, Returned))
        self.publisher = Publisher(kafka)
        self.count = 0
        self.told = Told()

    def publish(self, payloads: Sequence[object], *, partition: int = -1) -> None:
        """Publish events in one transaction; their keys go round."""
        with self.publisher.transaction():
            for payload in payloads:
                key = uuid5(NAMESPACE, str(self.count % KEYS))
                record = self.wire.pack(Event(key, payload))
                position = Position(FIRST_LSN + self.count, 0)
                self.count += 1
                self.publisher.publish(
                    self.topic, record, self.count, position, partition=partition
                )

    def publish_sold(self, count: int) -> None:
        """Publish so many."""
        self.publish([Sold(number=self.count + n) for n in range(count)])

    def publish_rubbish(self, partition: int = -1) -> None:
        """Publish a message that is no event."""
        with self.publisher.transaction():
            self.publisher.publish_raw(
                self.topic, (b"k", b"rubbish", 1_700_000_000_000, ()), partition=partition
            )

    def define(self, projection: type[Projection], policy: Policy | None = None) -> Definition:
        """The projection, on the scene's topic."""
        attributes = {"topics": (self.topic,), "on_error": policy or Stop()}
        return define(type(projection.__name__, (projection,), attributes))

    def projector(
        self, definition: Definition, stop: Request | None = None, **more: Any
    ) -> Projector:
        """A projector that tells often."""
        settings = ProjectorSettings(
            database_url=self.dsn, kafka=self.kafka, status_s=STATUS_S, **more
        )
        return Projector(definition, settings, self.registry, self.told, stop)

    def drain(self, definition: Definition, **more: Any) -> Projector:
        """Apply everything that is there."""
        projector = self.projector(definition, **more)
        projector.run(once=True)
        return projector

    @contextmanager
    def running(self, definition: Definition, **more: Any) -> Iterator[Projector]:
        """A projector in a thread; what it raises is raised at the end of the block."""
        stop, errors = Request(), list[BaseException]()
        projector = self.projector(definition, stop, **more)

        def run() -> None:
            try:
                projector.run()
            except BaseException as error:  # noqa: BLE001  # It is raised below.
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield projector
        finally:
            stop.request()
            thread.join(DEADLINE_S)
        if errors:
            raise errors[0]

    def rows(self, sql: str, *params: object) -> list[Any]:
        """What a statement answers."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), params)
            return cursor.fetchall() if cursor.description else []

    def one(self, sql: str, *params: object) -> Any:
        """The first column of its first row."""
        return self.rows(sql, *params)[0][0]

    def close(self) -> None:
        """Close what it holds."""
        self.registry.close()


def until(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Wait until the condition holds."""
    end_s = time.monotonic() + deadline_s
    waiting = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, f"{condition} did not come true in {deadline_s} s"
        waiting.wait(POLL_S)
