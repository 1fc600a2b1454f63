"""History: the rows that were there before the slot, by pages, in the order of their ids.

They are read in the slot's own snapshot: what it shows is what the slot does not send, so each
event comes once and none is missed. The order of their commits is not known to the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
from psycopg.rows import tuple_row

from mainstem.errors import MainstemError
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import placeholders
from mainstem.postgres.following import statements
from mainstem.postgres.following.reading import Row, layout
from mainstem.postgres.following.session import Session
from mainstem.postgres.table import EventTable
from mainstem.wal.pgoutput import Column

PAGE_ROWS_MAX: Final = 1000
PAGE_BYTES_MAX: Final = 4_000_000
"""A larger row comes alone."""
ALWAYS_READ = ("id", "key", "data", "timestamp")


def history(
    session: Session, table: EventTable, after_id: int, snapshot: str
) -> Iterator[list[Row]]:
    """The pages of rows behind an id; the first, empty, once the snapshot is safe.

    It holds a transaction open until the last page, or until it is closed.
    """
    session.ask(statements.BEGIN_READING)
    session.ask(statements.import_snapshot(snapshot))
    yield []
    optional = ("metadata",) * table.has_metadata + ("version",) * table.versioned
    sql = statements.page(table.topic, ALWAYS_READ + optional)
    failure: MainstemError | None = None
    while failure is None:
        page, failure = one_page(session, table.topic, sql, after_id)
        if page:
            yield page
            after_id = page[-1].stored_id
        elif failure is None:
            return
    raise failure


def one_page(
    session: Session, topic: str, sql: str, after_id: int
) -> tuple[list[Row], MainstemError | None]:
    """The next rows, up to the first that is no event, and the error that this one is.

    They have the binary form in which the stream would carry them.
    """
    with mapped(), psycopg.Cursor(session.connection, row_factory=tuple_row) as cursor:
        cursor.execute(placeholders(sql), (after_id, PAGE_ROWS_MAX, PAGE_BYTES_MAX), binary=True)
        result, description = cursor.pgresult, cursor.description
        assert result is not None
        assert description is not None
        columns = [Column(column.name, column.type_code) for column in description]
        # `version` was asked for only where it is the topic's own.
        read = layout(topic, columns, versioned=True)
    rows: list[Row] = []
    for at in range(result.ntuples):
        try:
            rows.append(read.row([result.get_value(at, place) for place in range(len(columns))]))
        except MainstemError as error:
            return rows, error
    return rows, None
