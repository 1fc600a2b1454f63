"""A rebuild's own connection: it asks, and it opens transactions; decisions are made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import tuple_row

from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import Cursor, performer
from mainstem.postgres.statements import Statement

CONNECT_TIMEOUT_S: Final = 10


class Session:
    """A connection to the database; its methods raise our errors."""

    def __init__(self, database_url: str) -> None:
        """Connect."""
        with mapped():
            self._connection = psycopg.connect(
                database_url,
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT_S,
                application_name="mainstem",
            )

    def __enter__(self) -> Self:
        """Give the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice does no harm."""
        self._connection.close()

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """The rows that a statement answers."""
        with Cursor(self._connection, row_factory=tuple_row) as cursor:
            rows: list[tuple[Any, ...]] = performer(cursor)(statement)
        return rows

    def tell(self, statements: Iterable[Statement]) -> None:
        """Run statements one after the other."""
        for statement in statements:
            self.ask(statement)

    def script(self, text: str) -> None:
        """Run SQL of the user's, of any number of statements."""
        with mapped():
            self._connection.execute(text.encode())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What the block does is done together, or not at all."""
        with mapped(), self._connection.transaction():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All statements of the block see the database as the first one does."""
        self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
        try:
            with self.transaction():
                yield
        finally:
            self._connection.isolation_level = None
