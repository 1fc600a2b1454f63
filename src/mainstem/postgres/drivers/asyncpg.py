"""asyncpg as a driver: run a plan on a connection or a pool's proxy, in the transaction there.

Statement caching follows the connection's own settings, as it does for the caller's statements:
with `statement_cache_size=0` it works behind PgBouncer in transaction mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from mainstem.errors import MissingExtra
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.statements import Statement

try:
    import asyncpg
except ImportError as error:
    raise MissingExtra("asyncpg", "saving within a connection of asyncpg's") from error

from asyncpg.pool import PoolConnectionProxy

from mainstem.postgres.drivers.asyncpg_failures import FOREIGN, translated
from mainstem.postgres.drivers.loop import drive_async
from mainstem.postgres.drivers.sqlstates import closed_connection, no_transaction

T = TypeVar("T")

Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"

REMEDY: Final = "async with connection.transaction(): …"


class AsyncLentConnection:
    """A connection of asyncpg's that the caller lent."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        """Keep it; `run` checks what state it is in."""
        self._connection = connection

    @property
    def closed(self) -> bool:
        """Whether the connection is of no use any more."""
        return gone(self._connection)

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the caller's transaction; ConnectionMisused if there is none.

        That a transaction has failed is known only to the server here, which refuses the first
        statement by the same error.
        """
        check_transaction(self._connection)
        return await run_async(self._connection, make_plan(scope(self._connection)))


async def run_async(connection: Connection, plan: Plan[T]) -> T:
    """Run the plan; nothing begins, commits or rolls back but what the plan says."""

    async def perform(step: Statement) -> Any:
        try:
            # A record class of the caller's may have its own idea of indexes.
            return await connection.fetch(step.sql, *step.params, record_class=asyncpg.Record)
        except FOREIGN as error:
            closed = gone(connection)
            raise translated(error, closed=closed, commits=step.commits) from error

    return await drive_async(plan, perform)


def check_transaction(connection: Connection) -> None:
    """Raise ConnectionMisused for a connection that cannot be saved within."""
    if gone(connection):
        raise closed_connection()
    if not connection.is_in_transaction():
        raise no_transaction(REMEDY)


def gone(connection: Connection) -> bool:
    """Whether the connection is closed, or released to its pool, as one that broke is at once."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def scope(connection: Connection) -> Scope:
    """What plans must know of the connection, which is never ours."""
    # asyncpg tells its address to loggers of queries only, and not to those who ask.
    hidden: Any = connection
    address, database = hidden._addr, hidden._params.database  # noqa: SLF001  # As above.
    host, port = address if isinstance(address, tuple) else (address, "")
    return Scope((str(host).encode(), str(port).encode(), str(database).encode()), own=False)
