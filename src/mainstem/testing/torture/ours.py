"""Our own store under torture, and an example of an adapter."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from mainstem.errors import ConcurrencyConflict
from mainstem.event import Event, Position
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.topics import create_topic
from mainstem.schema.declare import event_type
from mainstem.testing.torture import statements
from mainstem.testing.torture.stores import Conflict, Followed
from mainstem.wal.pgoutput import Insert, Relation, columns_of, decode
from mainstem.wal.rows import INT8
from mainstem.wal.slots import create_slot, drop_slot, inspect_slot

FRAME_HEAD_BYTES = 6
"""Magic byte, schema id, and one byte of length: a token is shorter than 64 bytes."""


@event_type("com.example.torture")
@dataclass(frozen=True, slots=True)
class Struck:
    """An event of the torture."""

    token: str


class OurStore:
    """PostgresEventStore on a versioned topic; a slot of the run's holds all of its events."""

    def __init__(self, database_url: str, run: str) -> None:
        """Create what is missing, and open the store."""
        self.database_url = database_url
        self.topic = f"{run}_events"
        self.slot = f"{run}_anchor"
        self._created = prepared(database_url, self.topic, self.slot)
        self.store = PostgresEventStore.open(database_url, types=[Struck])

    def append(self, key: UUID, expected_version: int, token: str) -> int:
        """Save in a transaction of its own."""
        try:
            stored = self.store.save(
                self.topic, Event(key, Struck(token)), expected_version=expected_version
            )
        except ConcurrencyConflict as error:
            raise Conflict from error
        assert stored.version is not None
        return stored.version

    def hesitate(
        self, key: UUID, expected_version: int, token: str, pause_s: float, *, commits: bool
    ) -> int:
        """Save within a transaction that takes its time."""
        with psycopg.connect(self.database_url) as connection:
            version = self.append_within(connection, key, expected_version, token)
            threading.Event().wait(pause_s)
            if not commits:
                connection.rollback()
        return version

    def append_within(
        self, connection: psycopg.Connection[Any], key: UUID, expected_version: int, token: str
    ) -> int:
        """Save in the transaction of the connection."""
        try:
            stored = self.store.save(
                self.topic,
                Event(key, Struck(token)),
                within=connection,
                expected_version=expected_version,
            )
        except ConcurrencyConflict as error:
            raise Conflict from error
        assert stored.version is not None
        return stored.version

    def read(self, key: UUID) -> Sequence[tuple[int, str]]:
        """By plain SQL: the judge asks the table, not the store."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(statements.read_key(self.topic), (key,)).fetchall()
        return [(version, token_of(data)) for version, data in rows]

    def follow(self, after: str | None) -> Iterator[Followed]:
        """Behind a position, from a copy of the run's slot; at first from now on."""
        position = Position.parse(after) if after else None
        with self.store.follow(self.topic, after=position) as events:
            for event in events:
                assert event.version is not None
                assert isinstance(event.key, UUID)
                yield Followed(str(event.position), event.key, event.version, event.payload.token)

    def order(self) -> Sequence[str]:
        """As the run's slot has it, read by PostgreSQL's own function."""
        with psycopg.connect(self.database_url) as connection:
            read = connection.execute(statements.read_ids(self.topic)).fetchall()
            tokens: dict[int, bytes] = dict(read)
            rows = connection.execute(statements.ORDER, (self.slot,)).fetchall()
        return [token_of(tokens[id_]) for id_ in inserted_ids(self.topic, rows)]

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store; the one that made the slot drops it, lest it hold back WAL."""
        self.store.close()
        if self._created:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                drop_slot(connection, self.slot)


def prepared(database_url: str, topic: str, slot: str) -> bool:
    """Create publication, topic and slot where they are missing; whether they were."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if inspect_slot(connection, slot) is not None:
            return False
        if connection.execute(statements.HAS_PUBLICATION).fetchone() is None:
            connection.execute(statements.CREATE_PUBLICATION)
        create_topic(connection, topic, TopicOptions(versioned=True))
        create_slot(connection, slot)
    return True


def token_of(data: bytes) -> str:
    """The token in an event's data, read without the codec that wrote it."""
    return data[FRAME_HEAD_BYTES:].decode()


def inserted_ids(topic: str, rows: Iterable[tuple[bytes]]) -> Iterator[int]:
    """The ids in the slot's messages that are of the topic."""
    oids = set()
    for (data,) in rows:
        message = decode(data)
        if isinstance(message, Relation) and message.name == topic:
            oids.add(message.oid)
        elif isinstance(message, Insert) and message.oid in oids:
            encoded = columns_of(message.body)[0]
            assert encoded is not None
            yield INT8.unpack(encoded)[0]
