"""Events of which some cannot be applied for now, and a projection that meets them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import psycopg

from mainstem.cli.main import exit_code
from mainstem.event import Event, Position, StoredEvent
from mainstem.kafka.records import Headers, lsn_header, message_of
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.handlers import on
from mainstem.projection.policy import Policy
from mainstem.projection.projector import Projector
from mainstem.projection.setaside.repairing import Chosen, Repair, Retried, discard
from mainstem.projection.settings import ProjectorSettings
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from mainstem.schema.declare import Int32, event_type
from mainstem.stopping import Stop
from mainstem.wire import Wire
from tests.kafka.publisher import Publisher, created

PARTITIONS = 2
FIRST_LSN = 0x2A0000
DEADLINE_S = 20.0
POLL_S = 0.02
HERE = 0
"""The partition of the events, unless a test says otherwise."""


@event_type("com.example.clinic")
@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Something was measured."""

    value: Int32


class IllError(Exception):
    """A handler cannot stand a value."""


class Diary(Projection):
    """Notes each value, unless it is poison."""

    name = "diary"
    tables = ("diary",)
    ddl = "CREATE TABLE IF NOT EXISTS diary (place bigserial, key uuid, value int)"
    poison: ClassVar[set[int]] = set()
    attempts: ClassVar[list[int]] = []
    """Values of the attempts at poison, one after the other."""

    def check(self, value: int) -> None:
        """Raise for poison, with what nobody should log."""
        if value in self.poison:
            self.attempts.append(value)
            raise IllError(f"cannot stand {value}\x00\ud800")


class Singly(Diary):
    """Takes one event at a time."""

    @on(Measured)
    def noted(self, event: StoredEvent[Measured], tx: psycopg.Connection[Any]) -> None:
        """Note it."""
        self.check(event.payload.value)
        tx.execute(
            "INSERT INTO diary (key, value) VALUES (%s, %s)", (event.key, event.payload.value)
        )


class Together(Diary):
    """Takes events in batches; writes first, so that what fails must be rolled back."""

    @on(Measured)
    async def noted(
        self, events: Sequence[StoredEvent[Measured]], tx: psycopg.AsyncConnection[Any]
    ) -> None:
        """Note them."""
        for event in events:
            await tx.execute(
                "INSERT INTO diary (key, value) VALUES (%s, %s)", (event.key, event.payload.value)
            )
        for event in events:
            self.check(event.payload.value)


class Clinic:
    """A topic, a database, and the projection in them."""

    def __init__(self, database_url: str, kafka: KafkaSettings, topic: str) -> None:
        """Prepare the database."""
        self.database_url = database_url
        self.kafka = kafka
        self.topic = topic
        assert exit_code(["init", "--database-url", database_url]) == 0
        self.registry = CachingRegistry(PostgresRegistry(database_url))
        self.connection = psycopg.connect(database_url, autocommit=True)
        self._wire = Wire(self.registry, (Measured,))
        self._publisher = Publisher(kafka)
        self._number = 0

    def close(self) -> None:
        """Leave the database."""
        self.connection.close()
        self.registry.close()

    def publish(self, *events: tuple[int, int]) -> None:
        """Publish events, each of a key and a value, in one Kafka transaction."""
        with self._publisher.transaction():
            for key, value in events:
                self._number += 1
                record = self._wire.pack(Event(UUID(int=key), Measured(value=value)))
                position = Position(FIRST_LSN + self._number, 0)
                lsn = lsn_header(position.lsn)
                message = message_of(record, self._number, lsn, position.ordinal)
                self._publisher.publish_raw(self.topic, message, partition=HERE)

    def publish_raw(self, key: bytes, value: bytes, headers: Headers) -> None:
        """Publish bytes that need not be an event."""
        self._number += 1
        with self._publisher.transaction():
            message = (key, value, 1_700_000_000_000, headers)
            self._publisher.publish_raw(self.topic, message, partition=HERE)

    def definition(
        self, policy: Policy, *, poison: set[int] | None = None, cls: type[Diary] = Singly
    ) -> Definition:
        """The projection of this topic, with attempts of its own to look at."""
        attributes: dict[str, Any] = {
            "topics": (self.topic,),
            "on_error": policy,
            "poison": set() if poison is None else poison,
            "attempts": [],
        }
        return define(type(cls.__name__, (cls,), attributes))

    def run_once(self, definition: Definition) -> Projector:
        """Apply what is there, by a process of its own so to say."""
        projector = Projector(definition, self.settings(), self.registry)
        projector.run(once=True)
        return projector

    def settings(self) -> ProjectorSettings:
        """How to run."""
        return ProjectorSettings(
            database_url=self.database_url, kafka=self.kafka, status_s=0.1, unavailable_max_s=10.0
        )

    @contextmanager
    def running(self, definition: Definition) -> Iterator[None]:
        """A projector that runs meanwhile; it must not end by itself."""
        stop = Stop()
        projector = Projector(definition, self.settings(), self.registry, stop=stop)
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(projector.run)
            try:
                yield
                assert not running.done(), "the projector ended"
            finally:
                stop.request()
                running.result(DEADLINE_S)

    def retry(self, definition: Definition, chosen: Chosen | None = None) -> list[Retried]:
        """Do as `mainstem projection retry`."""
        with closing(Repair(definition, self.database_url, self.registry)) as repair:
            repair.resume(chosen or Chosen())
            return list(repair.retry(chosen or Chosen()))

    def discard(self, offset: int, group: str = "diary.v1") -> str:
        """Do as `mainstem projection discard`."""
        return discard(self.database_url, self.kafka, group, (self.topic, HERE, offset))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(sql.encode()).fetchall()

    def values(self) -> list[int]:
        """What the diary holds, in the order in which it was noted."""
        return [value for (value,) in self.ask("SELECT value FROM diary ORDER BY place")]

    def letters(self) -> list[tuple[int, str, int]]:
        """What is set aside: offset, state and attempts."""
        return [
            (int(offset), str(state), int(attempts))
            for offset, state, attempts in self.ask(
                'SELECT "offset", state, attempts FROM _mainstem.dead_letters ORDER BY "offset"'
            )
        ]

    def halts(self) -> list[tuple[int, int]]:
        """Where the projection stands still: offset and attempts."""
        return [
            (int(offset), int(attempts))
            for offset, attempts in self.ask(
                'SELECT "offset", attempts FROM _mainstem.projection_halts'
            )
        ]


def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {DEADLINE_S} s"
        threading.Event().wait(POLL_S)


@contextmanager
def opened(database_url: str, kafka: KafkaSettings, topic: str) -> Iterator[Clinic]:
    """A clinic whose topic goes with it."""
    with created(kafka, topic, PARTITIONS):
        clinic = Clinic(database_url, kafka, topic)
        try:
            yield clinic
        finally:
            clinic.close()
