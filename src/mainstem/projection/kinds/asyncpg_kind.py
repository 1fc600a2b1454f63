"""asyncpg: transactions on a connection of the projector's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mainstem.errors import MissingExtra
from mainstem.postgres.drivers.statements import CHEAPEST
from mainstem.projection import statements
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.failures import check_open, hidden_error

try:
    import asyncpg
except ImportError as error:
    raise MissingExtra("asyncpg", "a projection on asyncpg") from error

from mainstem.postgres.drivers.asyncpg_failures import FOREIGN, translated

if TYPE_CHECKING:
    from asyncpg import Connection

CONNECT_TIMEOUT_S = 10
NAMES = {
    "host": "host",
    "port": "port",
    "user": "user",
    "password": "password",
    "database": "dbname",
    "passfile": "passfile",
    "ssl": "sslmode",
}
"""asyncpg's names of what libpq's addresses hold."""


class AsyncAsyncpgDesk:
    """Transactions on an asyncpg.Connection."""

    def __init__(self, address: Address) -> None:
        """Connect when the first one begins."""
        self._address = address
        self._connection: Connection[Any] | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection[Any]]:
        """A transaction; ServerUnavailable where there is no connection to be had."""
        connection = await self._healthy()
        async with connection.transaction():
            try:
                yield connection
            finally:
                check_open(still=connection.is_closed() or connection.is_in_transaction())
            try:
                # asyncpg does not tell a transaction that has failed.
                await connection.execute(CHEAPEST)
            except asyncpg.InFailedSQLTransactionError as error:
                raise hidden_error() from error

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._connection is not None and self._connection.is_closed()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _healthy(self) -> Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            try:
                connection = await asyncpg.connect(**settings(self._address))
                statement = statements.set_up(self._address.schema)
                await connection.execute(statement.sql, *statement.params)
            except FOREIGN as error:
                raise translated(error, closed=True) from error
            self._connection = connection
        return self._connection


def settings(address: Address) -> dict[str, Any]:
    """The address as asyncpg takes it, which reads URLs only; what it does not know is dropped."""
    given = address.settings
    found = {name: given[theirs] for name, theirs in NAMES.items() if given.get(theirs)}
    return {**found, "timeout": CONNECT_TIMEOUT_S}
