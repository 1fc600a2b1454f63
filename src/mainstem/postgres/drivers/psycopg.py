"""psycopg 3 as a driver: run a plan on a connection, in the transaction that is there.

Statements go out through a cursor that we make, so neither the row factory nor the cursor
factory of a caller's connection matters.
Prepared statements: a caller's connection follows its own `prepare_threshold`, as it does for
the caller's statements; ours never prepare (see sessions.py). So PgBouncer is never surprised.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import Any, Final, TypeAlias, TypeVar

from mainstem.errors import ConnectionMisused, MainstemError, MissingExtra
from mainstem.postgres.plan import Call, Plan, Scope, Step

try:
    import psycopg
except ImportError as error:
    raise MissingExtra("psycopg", "the PostgreSQL store") from error

from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from mainstem.postgres.drivers.failures import mapped

T = TypeVar("T")
C = TypeVar("C", "psycopg.Connection[Any]", "psycopg.AsyncConnection[Any]")

SyncConnection: TypeAlias = psycopg.Connection[Any]
AsyncConnection: TypeAlias = psycopg.AsyncConnection[Any]

PARAMETER: Final = re.compile(r"\$\d+")


def run(connection: SyncConnection, plan: Plan[T]) -> T:
    """Run the plan; nothing begins, commits or rolls back but what the plan says."""
    with closing(plan), psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
        try:
            step = next(plan)
            while True:
                try:
                    answer = perform(cursor, step)
                except MainstemError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result


async def run_async(connection: AsyncConnection, plan: Plan[T]) -> T:
    """As `run`, for asyncio; calls that may wait or compute for long go to a thread."""
    with closing(plan):
        async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
            try:
                step = next(plan)
                while True:
                    try:
                        answer = await perform_async(cursor, step)
                    except MainstemError as error:
                        step = plan.throw(error)
                    else:
                        step = plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result


def run_atomically(connection: SyncConnection, plan: Plan[T]) -> T:
    """As `run`, in a transaction of its own, or in a savepoint of the one that is open."""
    check_usable(connection)
    with mapped(), connection.transaction():
        return run(connection, plan)


def perform(cursor: psycopg.Cursor[Any], step: Step) -> Any:
    """Do one step: the rows of a statement, or what a call returns."""
    if isinstance(step, Call):
        return step.function()
    with mapped(commits=step.commits):
        cursor.execute(placeholders(step.sql), step.params, binary=True)
        return cursor.fetchall() if step.answers else []


async def perform_async(cursor: psycopg.AsyncCursor[Any], step: Step) -> Any:
    """Do one step without holding up the event loop."""
    if isinstance(step, Call):
        return await asyncio.to_thread(step.function)
    with mapped(commits=step.commits):
        await cursor.execute(placeholders(step.sql), step.params, binary=True)
        return await cursor.fetchall() if step.answers else []


def placeholders(sql: str) -> bytes:
    """`$1, $2` as psycopg's binary placeholders: a seventh of the time for arrays of bytea."""
    return PARAMETER.sub("%b", sql).encode()


def lent(connection: object, kind: type[C]) -> C:
    """The caller's connection, fit to save within; ConnectionMisused if it is not.

    It must be of the kind that the store's face works with, and open to a transaction:
    in autocommit mode outside a transaction each statement would commit by itself.
    """
    if not isinstance(connection, kind):
        raise ConnectionMisused(
            f"within= takes a psycopg.{kind.__name__} here, not {type(connection).__name__}",
            hint="PostgresEventStore takes psycopg.Connection,"
            " AsyncPostgresEventStore takes psycopg.AsyncConnection",
        )
    check_usable(connection)
    if connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE:
        raise ConnectionMisused(
            "the connection given by within= is in autocommit mode and in no transaction",
            hint="open one: with connection.transaction(): …; or save without within=",
        )
    return connection


def check_usable(connection: SyncConnection | AsyncConnection) -> None:
    """Raise ConnectionMisused for a connection that is closed or in a failed transaction."""
    if connection.closed:
        raise ConnectionMisused("the connection is closed", hint="open a new one")
    if connection.pgconn.transaction_status == TransactionStatus.INERROR:
        raise ConnectionMisused(
            "the connection's transaction has failed, so PostgreSQL takes nothing more in it",
            hint="roll it back, or use a savepoint around what may fail",
        )


def scope(connection: SyncConnection | AsyncConnection, *, own: bool) -> Scope:
    """What plans must know of the connection."""
    pgconn = connection.pgconn
    return Scope((pgconn.host, pgconn.port, pgconn.db), own)
