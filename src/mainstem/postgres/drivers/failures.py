"""psycopg's errors to ours, by SQLSTATE and never by text; messages hold no values of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from mainstem.errors import (
    ConfigurationError,
    ConnectionMisused,
    EventRefused,
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
    TableChanged,
    TopicExists,
    TransactionFailed,
    ValueOutOfRange,
)

ERRORS_BY_SQLSTATE: dict[str, type[MainstemError]] = {
    "08": ServerUnavailable,
    "22": ValueOutOfRange,
    "25": ConnectionMisused,
    "25P03": TransactionFailed,
    "25P04": TransactionFailed,
    "28": ConfigurationError,
    "3D": ConfigurationError,
    "3F": TableChanged,
    "40": TransactionFailed,
    "42501": ConfigurationError,
    "42703": TableChanged,
    "42804": TableChanged,
    "42P01": TableChanged,
    "42P07": TopicExists,
    "53": ServerUnavailable,
    "55P03": TransactionFailed,
    "57": ServerUnavailable,
    "57014": TransactionFailed,
    "58": ServerUnavailable,
    "XX": ServerUnavailable,
}
"""The longest prefix that fits wins; anything else is EventRefused."""

ERRORS_OF_THE_DRIVER: dict[type[psycopg.Error], type[MainstemError]] = {
    psycopg.OperationalError: ServerUnavailable,
    psycopg.InterfaceError: ServerUnavailable,
    psycopg.DataError: ValueOutOfRange,
}
"""For what psycopg raises itself, without a SQLSTATE; anything else is ConnectionMisused."""

BREAKING_SQLSTATES = ("08", "57P")
"""After these the connection is gone, and with it the answer to what was running."""

HINTS = {
    "42501": "grant the role INSERT and SELECT on the table, USAGE on its schema and sequence",
}


@contextmanager
def mapped(*, commits: bool = False) -> Iterator[None]:
    """Raise our own error from any of psycopg's.

    `commits` tells that success would have made events durable: if the connection breaks
    meanwhile, the error says that the outcome is unknown.
    """
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, commits=commits) from error
    except UnicodeEncodeError as error:
        raise ValueOutOfRange("the client encoding of the connection lacks a letter") from error


def translated(error: psycopg.Error, *, commits: bool = False) -> MainstemError:
    """Our error for this one of psycopg's."""
    if lost(error):
        return broken_off(error, commits=commits)
    kind = error_class(error)
    if error.sqlstate is None:
        return kind(f"psycopg refused: {type(error).__name__}")
    place = " ".join(
        f"{what} {name!r}"
        for what, name in (
            ("constraint", error.diag.constraint_name),
            ("table", error.diag.table_name),
        )
        if name
    )
    return kind(
        f"PostgreSQL refused: {type(error).__name__} ({error.sqlstate})" + (place and f", {place}"),
        hint=HINTS.get(error.sqlstate),
    )


def error_class(error: psycopg.Error) -> type[MainstemError]:
    """The class of ours that fits best."""
    if error.sqlstate is None:
        for theirs, ours in ERRORS_OF_THE_DRIVER.items():
            if isinstance(error, theirs):
                return ours
        return ConnectionMisused
    prefixes = (error.sqlstate[:length] for length in (5, 3, 2))
    return next(
        (ERRORS_BY_SQLSTATE[prefix] for prefix in prefixes if prefix in ERRORS_BY_SQLSTATE),
        EventRefused,
    )


def lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone after this error."""
    if error.sqlstate is None:
        return error_class(error) is ServerUnavailable
    return error.sqlstate.startswith(BREAKING_SQLSTATES)


def broken_off(error: psycopg.Error, *, commits: bool) -> ServerUnavailable:
    """The error for a connection that could not be made or broke."""
    # Without a SQLSTATE the text is libpq's own, about the address; a server's could be of rows.
    text = str(error).splitlines()[:1] if error.sqlstate is None else []
    reason = "".join(text) or f"{type(error).__name__} ({error.sqlstate})"
    if commits:
        return OutcomeUnknown(
            "the connection to PostgreSQL broke during the commit, so the outcome is unknown:"
            f" the events are either all saved or not at all ({reason})"
        )
    return ServerUnavailable(f"PostgreSQL is away: {reason}")
