"""The table's side: all rows of one snapshot in chunks, and single rows of later ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import IsolationLevel

from mainstem.errors import DecodeError, SchemaNotFound
from mainstem.event import StoredEvent, parse_lsn
from mainstem.metadata_codec import decode_metadata
from mainstem.postgres import naming
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.topics import inspect_topic
from mainstem.record import Record
from mainstem.verification import statements
from mainstem.verification.statements import Columns
from mainstem.wire import Wire

CHUNK_ROWS_MAX = 5_000
STATEMENT_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 10


class TableRow(NamedTuple):
    """A row of an event table, as the wire would carry it."""

    id: int
    key: bytes | None
    data: bytes | None
    metadata: bytes | None
    timestamp_ms: int | None
    """None where the timestamp is infinite."""

    def record(self) -> Record | None:
        """The record of the row; None where it is no event, which is never replicated either."""
        if self.key is None or self.data is None or self.timestamp_ms is None:
            return None
        try:
            metadata = decode_metadata(self.metadata)
        except DecodeError:
            return None
        return Record(self.key, self.data, metadata, self.timestamp_ms)


class TableReader:
    """Reads one event table; raises UnknownTopic where there is none, and ServerUnavailable."""

    def __init__(self, database_url: str, topic: str) -> None:
        """Connect and look the table's columns up."""
        self._topic = topic
        with mapped():
            self._connection = psycopg.connect(
                database_url,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="mainstem",
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000}",
            )
        try:
            table = inspect_topic(self._connection, topic)
        except BaseException:
            self.close()
            raise
        self._columns = Columns(table.key_type, table.has_metadata)

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice does no harm."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[int]:
        """Rows read in the block are of one moment; gives an LSN below which all had committed.

        The snapshot holds back vacuum while the block lasts, and nothing else.
        """
        connection = self._connection
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with mapped():
            # The first statement takes the snapshot, and evaluates only then.
            with connection.transaction():
                yield parse_lsn(self._fetch(statements.NOW, ())[0][0])
            connection.isolation_level = connection.read_only = None

    def rows(self) -> Iterator[list[TableRow]]:
        """All rows in the order of their ids, in chunks."""
        statement = statements.rows_after(self._topic, self._columns)
        last_id = statements.ID_MIN
        while rows := self._fetch(statement, (last_id, CHUNK_ROWS_MAX)):
            yield [TableRow(*row) for row in rows]
            last_id = rows[-1][0]

    def rows_of(self, ids: list[int]) -> Iterator[TableRow]:
        """The rows of these ids that are visible now."""
        statement = statements.rows_of(self._topic, self._columns)
        for start in range(0, len(ids), CHUNK_ROWS_MAX):
            for row in self._fetch(statement, (ids[start : start + CHUNK_ROWS_MAX],)):
                yield TableRow(*row)

    def _fetch(self, statement: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with mapped():
            cursor = self._connection.cursor(binary=True)
            return cursor.execute(statement.encode(), params).fetchall()


def stored_rows(database_url: str, topic: str, wire: Wire) -> Iterator[StoredEvent[Any]]:
    """The events of the table as of now, in the order of their ids; keys as on the wire.

    DecodeError names the row that is no event, or that cannot be decoded.
    """
    with TableReader(database_url, topic) as table, table.snapshot():
        for rows in table.rows():
            yield from (stored_event(topic, row, wire) for row in rows)


def stored_event(topic: str, row: TableRow, wire: Wire) -> StoredEvent[Any]:
    """The event of a row."""
    place = f"row {row.id} of {naming.table(topic)}"
    record = row.record()
    if record is None:
        raise DecodeError(f"{place} is no event: a column is NULL, infinite or malformed")
    try:
        event = wire.unpack(record, bytes)
    except (DecodeError, SchemaNotFound) as error:
        raise type(error)(f"{place}: {error.message}", hint=error.hint) from error
    return StoredEvent(
        event.key, event.payload, event.timestamp, event.metadata, topic=topic, id=row.id
    )
