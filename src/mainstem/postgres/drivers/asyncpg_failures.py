"""asyncpg's errors to ours; what the server said goes through the table of sqlstates.py."""

from __future__ import annotations

from typing import Final

import asyncpg
from asyncpg.exceptions import (
    DataError,
    InterfaceError,
    InvalidCachedStatementError,
    OutdatedSchemaCacheError,
    PostgresError,
)

from mainstem.errors import (
    ConnectionMisused,
    MainstemError,
    TableChanged,
    TransactionFailed,
    ValueOutOfRange,
)
from mainstem.postgres.drivers import sqlstates
from mainstem.postgres.drivers.sqlstates import Failure, broken_off

FOREIGN: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    UnicodeEncodeError,
    OSError,
)
"""All that asyncpg raises for reasons of the server, the network or a value."""


def translated(error: Exception, *, closed: bool, commits: bool = False) -> MainstemError:
    """Our error for this one of FOREIGN; `closed` tells that the connection is gone with it."""
    name = type(error).__name__
    if isinstance(error, (InvalidCachedStatementError, OutdatedSchemaCacheError)):
        return TableChanged(f"PostgreSQL refused: {name}")
    if isinstance(error, PostgresError) and error.sqlstate is not None:
        return sqlstates.translated(failure(error, error.sqlstate), commits=commits)
    if isinstance(error, (DataError, UnicodeEncodeError)):
        return ValueOutOfRange(f"asyncpg refused a value: {name}")
    # Since Python 3.11 it is an OSError too.
    if isinstance(error, TimeoutError) and not closed:
        return TransactionFailed("the connection's command_timeout ended a statement")
    if isinstance(error, InterfaceError) and not closed:
        return ConnectionMisused(
            f"asyncpg refused: {name}",
            hint="one task at a time may use a connection; the error's cause says more",
        )
    return broken_off(name, commits=commits)


def failure(error: PostgresError, sqlstate: str) -> Failure:
    """What the server said."""
    return Failure(
        type(error).__name__,
        sqlstate,
        error.constraint_name,
        error.table_name,
        error.server_source_function,
    )
