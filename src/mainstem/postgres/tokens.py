"""Tokens: a place in the WAL behind what was committed, for a reader who waits for it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mainstem.errors import DecodeError
from mainstem.event import format_lsn, parse_lsn
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.statements import FLUSH


@dataclass(frozen=True, slots=True, order=True)
class Token:
    """Behind every event that was committed before it was taken: what `wait_for` waits for.

    A later token covers an earlier one, so of several the largest is enough. It belongs to the
    database that it came from, and to no other.
    """

    lsn: int

    def __str__(self) -> str:
        """`0/1A2B3C8`: how it travels in headers, cookies and links."""
        return format_lsn(self.lsn)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0/1A2B3C8`; DecodeError for anything else."""
        try:
            return cls(parse_lsn(text))
        except DecodeError:
            raise DecodeError("the text is no token such as 0/1A2B3C8") from None


def taking(scope: Scope) -> Plan[Token]:
    """Take a token: where a small message of ours stands in the WAL.

    Commits before it lie below that place. Its own commit lies above, and tells the replicator
    to note how far it is: else an idle line would do so at its next heartbeat only. So there is
    no token within a caller's transaction: the events of that one commit later.
    """
    assert scope.own, "a token is taken after the commit"
    ((lsn,),) = yield FLUSH
    return Token(parse_lsn(lsn))
