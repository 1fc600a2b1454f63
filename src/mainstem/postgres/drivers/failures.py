"""psycopg's errors to ours; what the server said goes through the table of sqlstates.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from mainstem.errors import (
    ConnectionMisused,
    MainstemError,
    ServerUnavailable,
    ValueOutOfRange,
)
from mainstem.postgres.drivers import sqlstates
from mainstem.postgres.drivers.sqlstates import Failure, broken_off

ERRORS_OF_THE_DRIVER: Final[dict[type[psycopg.Error], type[MainstemError]]] = {
    psycopg.OperationalError: ServerUnavailable,
    psycopg.InterfaceError: ServerUnavailable,
    psycopg.DataError: ValueOutOfRange,
}
"""For what psycopg raises itself, without a SQLSTATE; anything else is ConnectionMisused."""


@contextmanager
def mapped(*, commits: bool = False) -> Iterator[None]:
    """Raise our own error from any of psycopg's.

    `commits` tells that success would have made events durable: if the connection breaks
    meanwhile, the error says that the outcome is unknown.
    """
    try:
        yield
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise translated(error, commits=commits) from error


def translated(
    error: psycopg.Error | UnicodeEncodeError | OSError, *, commits: bool = False
) -> MainstemError:
    """Our error for this one of FOREIGN."""
    if isinstance(error, UnicodeEncodeError):
        return ValueOutOfRange("the client encoding of the connection lacks a letter")
    if isinstance(error, OSError):
        return broken_off(type(error).__name__, commits=commits)
    if error.sqlstate is not None:
        return sqlstates.translated(failure(error, error.sqlstate), commits=commits)
    for theirs, ours in ERRORS_OF_THE_DRIVER.items():
        if isinstance(error, theirs):
            if ours is ServerUnavailable:
                return broken_off(said_by_libpq(error), commits=commits)
            return ours(f"psycopg refused: {type(error).__name__}")
    return ConnectionMisused(f"psycopg refused: {type(error).__name__}")


FOREIGN: Final = (psycopg.Error, UnicodeEncodeError, OSError)
"""All that psycopg raises for reasons of the server, the network or a value."""


def failure(error: psycopg.Error, sqlstate: str) -> Failure:
    """What the server said."""
    said = error.diag
    return Failure(
        type(error).__name__,
        sqlstate,
        said.constraint_name,
        said.table_name,
        said.source_function,
    )


def said_by_libpq(error: psycopg.Error) -> str:
    """Why there is no connection: without a SQLSTATE the text is libpq's own, about the address."""
    return "".join(str(error).splitlines()[:1]) or type(error).__name__
