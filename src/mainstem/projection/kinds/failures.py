"""Which errors in a transaction pass by themselves, whichever driver raised them; pure."""

from __future__ import annotations

from typing import Final

from mainstem.errors import ConnectionMisused, MainstemError, ServerUnavailable, TransactionFailed
from mainstem.postgres.drivers.sqlstates import Failure, translated
from mainstem.projection.errors import HandlerFailed, OffsetsMoved
from mainstem.refusals import refusal

PASSING: Final = (ServerUnavailable, TransactionFailed, OffsetsMoved)
"""What a lane goes on from by itself."""


def passing(error: BaseException) -> MainstemError | None:
    """Our error where trying again is all there is to do; None where the statement is wrong."""
    found = error if isinstance(error, MainstemError) else by_sqlstate(error)
    return found if isinstance(found, PASSING) else None


def by_sqlstate(error: BaseException) -> MainstemError | None:
    """What PostgreSQL's answer means, as for the store; None where it was not PostgreSQL."""
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        return None
    return translated(Failure(type(error).__name__, sqlstate), commits=False)


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
