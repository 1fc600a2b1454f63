"""The replicator's ordinary connection: the lock, heartbeats, fences, chunks; no decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import pq

from mainstem.errors import ServerUnavailable, UnknownTopic
from mainstem.event import format_lsn, parse_lsn
from mainstem.postgres.table import EventTable
from mainstem.postgres.topics import event_topics, inspect_topic
from mainstem.refusals import refusal
from mainstem.replicator import statements
from mainstem.replicator.line import MESSAGE_PREFIX
from mainstem.replicator.progress import Backfill
from mainstem.replicator.settings import Bounds, ReplicatorSettings
from mainstem.wal.pgoutput import Column
from mainstem.wal.slots import Slot, create_slot, inspect_slot
from mainstem.wal.stream import parsed, told

BINARY = pq.Format.BINARY


class Publication(NamedTuple):
    """What the server says of the publication."""

    oid: int
    xmin: int
    """Changes when its options are altered."""
    inserts_only: bool
    """It publishes inserts and nothing else, through partition roots."""
    tables: Mapping[str, int]
    """Each published event table, and the oid of its entry (0 where it has none of its own)."""
    restricted: frozenset[str]
    """Tables with a row filter or a column list."""


class Fence(NamedTuple):
    """A table at one moment without writers."""

    lsn: int
    last_id: int | None


class Chunk(NamedTuple):
    """Rows of a backfill, as the change stream would carry them."""

    columns: tuple[Column, ...]
    rows: list[list[bytes | None]]


class Session:
    """An ordinary connection that dies with a replicator which is stopped or cut off.

    Every method raises ServerUnavailable when the connection breaks.
    """

    def __init__(self, settings: ReplicatorSettings) -> None:
        """Connect."""
        self._settings = settings
        address = parsed(settings.database_url, settings.takeover_s)
        with database_errors():
            self.connection = psycopg.connect(
                address,
                autocommit=True,
                connect_timeout=10,
                client_encoding="utf8",
                application_name="mainstem",
            )
            milliseconds = str(int(settings.takeover_s * 1000))
            self.connection.execute(statements.EXPIRE_WHEN_IDLE, (milliseconds,))

    @property
    def backend_pid(self) -> int:
        """Process id of this session on the server."""
        return self.connection.info.backend_pid

    def try_lock(self) -> bool:
        """Take the store's lock; False while another session holds it."""
        return bool(self._value(statements.TRY_LOCK))

    def lock_holder(self) -> int | None:
        """Process id of the session that holds the store's lock."""
        with database_errors():
            row = self.connection.execute(statements.LOCK_HOLDER).fetchone()
        return row[0] if row else None

    def wal_level(self) -> str:
        """The server's wal_level."""
        return str(self._value(statements.WAL_LEVEL))

    def slot(self) -> Slot | None:
        """The line's slot."""
        with database_errors():
            return inspect_slot(self.connection, self._settings.slot)

    def create_slot(self) -> int:
        """Create the line's slot; everything that commits from the returned LSN on is in it."""
        with database_errors():
            return create_slot(self.connection, self._settings.slot)

    def publication(self) -> Publication | None:
        """The publication, or None where there is none."""
        name = self._settings.publication
        with database_errors():
            row = self.connection.execute(statements.PUBLICATION, (name,)).fetchone()
            if row is None:
                return None
            tables = self.connection.execute(statements.PUBLISHED, (name,)).fetchall()
        return Publication(
            row[0],
            row[1],
            row[2],
            {table: member_oid for table, member_oid, _ in tables},
            frozenset(table for table, _, restricted in tables if restricted),
        )

    def create_publication(self, topics: list[str]) -> None:
        """Create the publication with these tables."""
        self._run(statements.create_publication(self._settings.publication, topics))

    def tables(self, known: Iterable[str]) -> list[EventTable]:
        """Every event table to be replicated; of the known topics those that still have a table.

        Raises UnknownTopic where one of the extra topics of the settings has none.
        """
        tables = []
        with database_errors():
            topics = {*event_topics(self.connection), *self._settings.extra_topics, *known}
            for topic in sorted(topics):
                try:
                    tables.append(inspect_topic(self.connection, topic))
                except UnknownTopic:
                    if topic not in known:
                        raise
        return tables

    def join(self, table: EventTable) -> bool:
        """Let a table join the line, if it is empty; False if it holds rows."""
        topic = table.topic
        with self._locked(topic):
            if self._value(statements.has_rows(topic)):
                return False
            self._run(statements.add_table(self._settings.publication, topic))
            self.emit(f"join {table.oid} {topic}")
        return True

    def fence(self, topic: str, *, publish: bool) -> Fence:
        """A moment without writers of the table; `publish`: add it to the publication there.

        Raises LockBusy while a transaction that wrote the table is open.
        """
        with self._locked(topic), database_errors():
            if publish:
                self._run(statements.add_table(self._settings.publication, topic))
            row = self.connection.execute(statements.fence(topic)).fetchone()
        assert row is not None
        return Fence(parse_lsn(row[0]), row[1])

    def unpublished_partitions(self, table: EventTable) -> list[str]:
        """Partitions whose changes PostgreSQL does not publish."""
        with database_errors():
            rows = self.connection.execute(statements.UNPUBLISHED_PARTITIONS, (table.oid,))
            return [name for (name,) in rows.fetchall()]

    def flush_lsn(self) -> int:
        """Up to where the WAL is on disk now."""
        return parse_lsn(str(self._value(statements.FLUSH_LSN)))

    def chunk(self, table: EventTable, backfill: Backfill, bounds: Bounds) -> Chunk:
        """The next rows of a backfill, in the order of their ids, columns in binary form."""
        statement = statements.chunk(table.topic, has_metadata=table.has_metadata)
        with database_errors():
            cursor = self.connection.cursor(binary=True)
            limits = (bounds.backfill_rows_max, bounds.backfill_bytes_max)
            cursor.execute(statement, (backfill.done_id, backfill.last_id, *limits))
            result = cursor.pgresult
            assert result is not None
            assert cursor.description is not None
            columns = tuple(Column(c.name, c.type_code) for c in cursor.description)
            rows = [
                [result.get_value(row, column) for column in range(result.nfields)]
                for row in range(result.ntuples)
            ]
        return Chunk(columns, rows)

    def insert_lsn(self) -> int:
        """Where the WAL ends now."""
        return parse_lsn(str(self._value(statements.INSERT_LSN)))

    def lag_bytes(self, flushed_lsn: int) -> int:
        """How much WAL lies beyond the progress."""
        return max(0, int(self._value(statements.LAG_BYTES, format_lsn(flushed_lsn))))

    def emit(self, content: str) -> None:
        """Write a message of ours into the WAL, as part of the transaction."""
        self._value(statements.EMIT, MESSAGE_PREFIX, content)

    def close(self) -> None:
        """Release the lock by closing the connection; safe to call twice."""
        self.connection.close()

    def __enter__(self) -> Self:
        """Itself; leaving closes the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @contextmanager
    def _locked(self, topic: str) -> Iterator[None]:
        """A transaction without other writers of the table."""
        with database_errors(), self.connection.transaction():
            self.connection.execute(statements.FENCE_TIMEOUT)
            try:
                self.connection.execute(statements.lock_table(topic))
            except psycopg.errors.LockNotAvailable as error:
                raise LockBusy(f"a transaction that wrote events.{topic} is still open") from error
            yield

    def _value(self, statement: str, *parameters: object) -> Any:
        """The one value that a statement returns."""
        with database_errors():
            row = self.connection.execute(statement, parameters or None).fetchone()
        assert row is not None
        return row[0]

    def _run(self, statement: str) -> None:
        """Run a statement that returns nothing."""
        with database_errors():
            self.connection.execute(statement)


class LockBusy(ServerUnavailable):
    """A table cannot be locked yet, because a transaction that wrote it is open."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Map psycopg's errors on this connection to ours."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise refusal("replication-privilege", f"the database refused: {told(error)}") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ServerUnavailable(f"the database failed: {told(error)}") from error
    except psycopg.Error as error:
        raise refusal("database-refused", f"the database refused: {told(error)}") from error
