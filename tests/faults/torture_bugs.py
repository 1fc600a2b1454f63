"""Stores for the torture: with a planted bug each that it must find, and one in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar, Self
from uuid import UUID

import psycopg

from mainstem.event import Event, Position
from mainstem.postgres.following import batches
from mainstem.postgres.following.reading import Reading
from mainstem.registry.postgres import PostgresRegistry
from mainstem.testing.torture.ours import OurStore, Struck, token_of
from mainstem.testing.torture.stores import Conflict, Followed
from mainstem.wire import Wire

POLL_S = 0.002


class ComputesVersions(OurStore):
    """Takes whatever version comes next, without a constraint: what was expected is ignored."""

    def __init__(self, database_url: str, run: str) -> None:
        """Drop the constraint."""
        super().__init__(database_url, run)
        # Registered where the follower looks, and framed without the registry from then on.
        with closing(PostgresRegistry(database_url)) as registry:
            self._wire = Wire(registry, [Struck])
            self._wire.prepare(Struck)
        with psycopg.connect(database_url) as connection:
            connection.execute(
                f"ALTER TABLE events.{self.topic}"
                f" DROP CONSTRAINT IF EXISTS {self.topic}_key_version_key,"
                " ALTER COLUMN version DROP NOT NULL"
            )

    def append(self, key: UUID, expected_version: int, token: str) -> int:
        """Insert on a connection of its own."""
        with psycopg.connect(self.database_url) as connection:
            return self.append_within(connection, key, expected_version, token)

    def append_within(
        self, connection: psycopg.Connection[Any], key: UUID, expected_version: int, token: str
    ) -> int:
        """Insert with the version that seems to be next."""
        del expected_version
        frame = self._wire.pack(Event(key, Struck(token))).data
        row = connection.execute(
            f"INSERT INTO events.{self.topic} (key, data, timestamp, version)"
            f" SELECT %s, %s, now(), coalesce(max(version), 0) + 1"
            f" FROM events.{self.topic} WHERE key = %s RETURNING version",
            (key, frame, key),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def follow(self, after: str | None) -> Iterator[Followed]:
        """Follow; without the constraint only the table tells versions."""
        position = Position.parse(after) if after else None
        sql = f"SELECT version FROM events.{self.topic} WHERE id = %s"
        with (
            self.store.follow(self.topic, after=position) as events,
            psycopg.connect(self.database_url, autocommit=True) as connection,
        ):
            for event in events:
                # The stream may show a commit a moment before other sessions see it.
                while (row := connection.execute(sql, (event.id,)).fetchone()) is None:
                    pass
                assert isinstance(event.key, UUID)
                token = event.payload.token
                yield Followed(str(event.position), event.key, int(row[0]), token)


class PollsIds(OurStore):
    """Follows by asking for ids above the last one, as many outboxes do."""

    def follow(self, after: str | None) -> Iterator[Followed]:
        """Poll for ever."""
        last = int(after or 0)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            while True:
                rows = connection.execute(
                    f"SELECT id, key, version, data FROM events.{self.topic}"
                    " WHERE id > %s ORDER BY id",
                    (last,),
                ).fetchall()
                for last, key, version, data in rows:
                    yield Followed(str(last), key, version, token_of(data))
                threading.Event().wait(POLL_S)


class ForgetsToDrop(OurStore):
    """Resumes from a copied slot without dropping what was seen."""

    def follow(self, after: str | None) -> Iterator[Followed]:
        """Follow, with the dropping taken out."""

        def forgetful(topic: str, table_oid: int, _after: object, *, versioned: bool) -> Reading:
            return Reading(topic, table_oid, None, versioned=versioned)

        batches.Reading = forgetful  # type: ignore[assignment,attr-defined]  # the bug
        yield from super().follow(after)


class Dictionary:
    """A store in memory, for one process and without a follower: what any other store brings."""

    runs: ClassVar[dict[str, dict[UUID, list[str]]]] = {}
    lock = threading.Lock()

    def __init__(self, _database_url: str, run: str) -> None:
        """Join the run."""
        with self.lock:
            self._streams = self.runs.setdefault(run, {})

    def append(self, key: UUID, expected_version: int, token: str) -> int:
        """Append under a lock."""
        with self.lock:
            stream = self._streams.setdefault(key, [])
            if len(stream) != expected_version:
                raise Conflict
            stream.append(token)
            return len(stream)

    def read(self, key: UUID) -> Sequence[tuple[int, str]]:
        """The key's events."""
        with self.lock:
            return list(enumerate(self._streams.get(key, []), 1))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""


class HastyDictionary(Dictionary):
    """Says saved, and now and then has not."""

    def append(self, key: UUID, expected_version: int, token: str) -> int:
        """Forget what ends in 7."""
        if token.endswith("7"):
            return expected_version + 1
        return super().append(key, expected_version, token)
