"""What a replicator tells while it works; who listens decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mainstem.replicator.progress import Backfill


@dataclass(frozen=True, slots=True)
class Status:
    """One interval of a line's life."""

    line: str
    events: int
    """Published since the start of this process."""
    events_per_s: float
    """In the last interval."""
    resent: int
    """Sent again by PostgreSQL and dropped, since the start."""
    lag_bytes: int
    """WAL beyond the progress."""
    lag_s: float
    """Age of the oldest heartbeat that is not back yet, else the last one's round trip."""
    flushed_lsn: int


class Reporter(Protocol):
    """Who listens to a replicator."""

    def note(self, text: str) -> None:
        """Something that happens once, such as waiting for another replicator."""

    def status(self, status: Status) -> None:
        """The regular line of figures."""

    def backfill(self, topic: str, backfill: Backfill) -> None:
        """A chunk of older rows was published."""


class Silent:
    """Nobody listens."""

    def note(self, text: str) -> None:
        """Drop it."""

    def status(self, status: Status) -> None:
        """Drop it."""

    def backfill(self, topic: str, backfill: Backfill) -> None:
        """Drop it."""
