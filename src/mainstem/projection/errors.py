"""What can stand in the way of a batch, told apart by what is to be done about it."""

from __future__ import annotations

from mainstem.errors import MainstemError, Retry, ServerUnavailable


class OffsetsMoved(MainstemError):
    """Offsets are not where this member left them: another one worked on the partition."""

    retry = Retry.LATER
    remedy = "nothing was applied; the member goes on from the offsets that are there"


class HandlerFailed(MainstemError):
    """A handler raised an error, or an event could not be decoded; nothing was applied."""

    retry = Retry.OPERATOR

    def __init__(self, message: str, reason: Exception) -> None:
        """Keep what the handler raised, which may hold what nobody should log."""
        super().__init__(message)
        self.reason = reason


class CutOff(ServerUnavailable):
    """The connection broke while a handler worked, or the server gave up what it did."""
