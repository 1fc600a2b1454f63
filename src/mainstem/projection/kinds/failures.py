"""Which errors in a transaction pass by themselves, whichever driver raised them; pure."""

from __future__ import annotations

from typing import Final

from mainstem.errors import (
    ConnectionMisused,
    MainstemError,
    Retry,
    ServerUnavailable,
    TransactionFailed,
)
from mainstem.projection.errors import HandlerFailed
from mainstem.refusals import refusal

AWAY: Final = ("08", "53", "57P", "58", "XX")
"""SQLSTATE classes: the connection broke, the server lacks something, or is shutting down."""
IN_THE_WAY: Final = ("40",)
"""Other transactions were in the way: a deadlock, or a serialization failure."""


def passing(error: BaseException) -> MainstemError | None:
    """Our error where trying again is all there is to do; None where the statement is wrong."""
    if isinstance(error, MainstemError):
        return error if error.retry is Retry.LATER else None
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        return None
    said = f"PostgreSQL gave up: {type(error).__name__} ({sqlstate})"
    if sqlstate.startswith(AWAY):
        return ServerUnavailable(said)
    if sqlstate.startswith(IN_THE_WAY):
        failed = TransactionFailed(said)
        failed.conflict = True
        return failed
    return None


def hidden_error() -> HandlerFailed:
    """The error for handlers that went on after PostgreSQL had given their transaction up."""
    reason = ConnectionMisused(
        "a handler hid an error of PostgreSQL's, so that nothing of the transaction can be kept",
        hint="use a savepoint around what may fail",
    )
    return HandlerFailed(reason.message, reason)


def check_open(*, still: bool) -> None:
    """The refusal `projection-ended-by-handler` where handlers left no transaction to commit."""
    if not still:
        raise refusal(
            "projection-ended-by-handler", "a handler ended the transaction by SQL of its own"
        )


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of a driver's exception, or of the one that SQLAlchemy wraps."""
    behind = getattr(error, "orig", None) or error
    found = getattr(behind, "sqlstate", None) or getattr(behind, "pgcode", None)
    return found if isinstance(found, str) else None
