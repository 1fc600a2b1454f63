"""psycopg: transactions on a connection of the projector's own, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.sessions import alive
from mainstem.projection import statements
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.failures import check_open, hidden_error

PREPARE_AFTER: Final = 3
"""Executions of a statement before psycopg prepares it."""


class PsycopgDesk:
    """Transactions on a psycopg.Connection."""

    def __init__(self, address: Address) -> None:
        """Connect when the first one begins."""
        self._address = address
        self._settings = settings(address)
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def begin(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction; ServerUnavailable where there is no connection to be had."""
        connection = self._healthy()
        with connection.transaction():
            try:
                yield connection
            finally:
                check_not_ended(connection)
            check_status(connection)

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection is not None and not alive(self._connection)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _healthy(self) -> psycopg.Connection[Any]:
        if self._connection is None or not alive(self._connection):
            self.close()
            with mapped():
                self._connection = psycopg.Connection.connect(**self._settings)
                self._connection.execute(*path(self._address))
        return self._connection


class AsyncPsycopgDesk:
    """Transactions on a psycopg.AsyncConnection."""

    def __init__(self, address: Address) -> None:
        """Connect when the first one begins."""
        self._address = address
        self._settings = settings(address)
        self._connection: psycopg.AsyncConnection[Any] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A transaction; ServerUnavailable where there is no connection to be had."""
        connection = await self._healthy()
        async with connection.transaction():
            try:
                yield connection
            finally:
                check_not_ended(connection)
            check_status(connection)

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection is not None and not alive(self._connection)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _healthy(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or not alive(self._connection):
            await self.close()
            with mapped():
                self._connection = await psycopg.AsyncConnection.connect(**self._settings)
                await self._connection.execute(*path(self._address))
        return self._connection


def check_not_ended(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """The refusal where a handler has ended the transaction, whatever it raised afterwards."""
    check_open(still=connection.pgconn.transaction_status != TransactionStatus.IDLE)


def check_status(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Raise what is wrong with the transaction that handlers have left behind."""
    status = connection.pgconn.transaction_status
    if status == TransactionStatus.INERROR:
        raise hidden_error()
    check_open(still=status == TransactionStatus.INTRANS)


def settings(address: Address) -> dict[str, Any]:
    """For a connection in autocommit mode, whose transactions are blocks."""
    return {**address.settings, "prepare_threshold": PREPARE_AFTER}


def path(address: Address) -> tuple[bytes, tuple[Any, ...]]:
    """The statement, as psycopg takes it, that makes names mean those of the schema."""
    statement = statements.set_up(address.schema)
    return statement.sql.replace("$1", "%s").replace("$2", "%s").encode(), statement.params
