"""PostgreSQL's errors to ours, by SQLSTATE and never by text, whichever driver met them; pure.

Each driver has a file of its own that turns its exceptions into a Failure. Messages hold no
values of rows: of what the server says, only names of classes, constraints and tables pass.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mainstem.errors import (
    ConfigurationError,
    ConnectionMisused,
    DuplicateRow,
    EventRefused,
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
    TableChanged,
    TopicExists,
    TransactionFailed,
    ValueOutOfRange,
)

ERRORS_BY_SQLSTATE: Final[dict[str, type[MainstemError]]] = {
    "08": ServerUnavailable,
    "22": ValueOutOfRange,
    "23502": TableChanged,
    "23505": DuplicateRow,
    "25": ConnectionMisused,
    "25P03": TransactionFailed,
    "25P04": TransactionFailed,
    "26": ConnectionMisused,
    "28": ConfigurationError,
    "3D": ConfigurationError,
    "3F": TableChanged,
    "40": TransactionFailed,
    "42501": ConfigurationError,
    "42703": TableChanged,
    "42804": TableChanged,
    "42P01": TableChanged,
    "42P05": ConnectionMisused,
    "42P07": TopicExists,
    "53": ServerUnavailable,
    "55P03": TransactionFailed,
    "57": ServerUnavailable,
    "57014": TransactionFailed,
    "58": ServerUnavailable,
    "XX": ServerUnavailable,
}
"""The longest prefix that fits wins; anything else is EventRefused."""

BREAKING_SQLSTATES: Final = ("08", "57P")
"""After these the connection is gone, and with it the answer to what was running."""

POOLED: Final = (
    "behind a pooler in transaction mode, statements must not be prepared:"
    " prepare_threshold=None for psycopg, statement_cache_size=0 for asyncpg"
)

HINTS: Final = {
    "25P02": "roll it back, or use a savepoint around what may fail",
    "26000": POOLED,
    "42501": "grant the role INSERT and SELECT on the table, USAGE on its schema and sequence",
    "42P05": POOLED,
}

CHECK_VIOLATION: Final = "23514"
"""Without a constraint's name it is a partitioned table that has no place for the row."""

FAILED_TRANSACTION: Final = "25P02"
STALE_PLAN_SQLSTATE: Final = "0A000"
STALE_PLAN_PLACE: Final = "RevalidateCachedQuery"
"""A statement that was prepared before its table was altered is told by where it fails."""


class Failure(NamedTuple):
    """What a driver's exception says of an error, without the values of rows."""

    name: str
    """The exception's class."""
    sqlstate: str
    constraint: str | None = None
    table: str | None = None
    place: str | None = None
    """The function of PostgreSQL's that gave up."""


def translated(failure: Failure, *, commits: bool) -> MainstemError:
    """Our error for what the server said; `commits` as in `broken_off`."""
    if failure.sqlstate.startswith(BREAKING_SQLSTATES):
        return broken_off(f"{failure.name} ({failure.sqlstate})", commits=commits)
    if failure.sqlstate == FAILED_TRANSACTION:
        return failed_transaction()
    if failure.sqlstate == CHECK_VIOLATION and failure.constraint is None:
        return beyond_partitions(failure.table)
    named = (("constraint", failure.constraint), ("table", failure.table))
    place = " ".join(f"{what} {name!r}" for what, name in named if name)
    error = error_class(failure)(
        f"PostgreSQL refused: {failure.name} ({failure.sqlstate})" + (place and f", {place}"),
        hint=HINTS.get(failure.sqlstate),
    )
    if isinstance(error, TransactionFailed):
        error.conflict = failure.sqlstate.startswith("40")
    return error


def error_class(failure: Failure) -> type[MainstemError]:
    """The class of ours that fits best."""
    if failure.sqlstate == STALE_PLAN_SQLSTATE and failure.place == STALE_PLAN_PLACE:
        return TableChanged
    prefixes = (failure.sqlstate[:length] for length in (5, 3, 2))
    return next(
        (ERRORS_BY_SQLSTATE[prefix] for prefix in prefixes if prefix in ERRORS_BY_SQLSTATE),
        EventRefused,
    )


def broken_off(reason: str, *, commits: bool) -> ServerUnavailable:
    """The error for a connection that could not be made or broke.

    `commits` tells that the success of what was running would have made events durable: then
    nobody knows the outcome.
    """
    error = ServerUnavailable(f"PostgreSQL is away: {reason}")
    if commits:
        error = OutcomeUnknown(
            "the connection to PostgreSQL broke during the commit, so the outcome is unknown:"
            f" the events are either all saved or not at all ({reason})"
        )
    error.lost = True
    return error


def beyond_partitions(table: str | None) -> ValueOutOfRange:
    """The error for an event whose month has no partition."""
    name = table or "NAME"
    return ValueOutOfRange(
        f"events.{name} has no partition for the timestamp of an event",
        hint=f"mainstem topic partitions {name} makes those of the months to come, and with"
        " --since YYYY-MM those before",
    )


def failed_transaction() -> ConnectionMisused:
    """The error for a connection whose transaction PostgreSQL has given up."""
    return ConnectionMisused(
        "the connection's transaction has failed, so PostgreSQL takes nothing more in it",
        hint=HINTS[FAILED_TRANSACTION],
    )


def closed_connection() -> ConnectionMisused:
    """The error for a connection that was closed before the call."""
    return ConnectionMisused(
        "the connection is closed, or released to its pool", hint="save on one that is open"
    )


def no_transaction(remedy: str) -> ConnectionMisused:
    """The error for a connection on which each statement would commit by itself."""
    return ConnectionMisused(
        "the connection given by within= is in autocommit mode and in no transaction",
        hint=f"open one: {remedy}; or save without within=",
    )


def closed_store() -> ConnectionMisused:
    """The error for a store that is used after its end."""
    return ConnectionMisused("the store is closed", hint="open a new one")
