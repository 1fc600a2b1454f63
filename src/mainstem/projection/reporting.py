"""What a projector tells while it works; who listens decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Counters:
    """What a projector has done since it started; each field is written by one thread at a time."""

    events: int = 0
    """Applied."""
    batches: int = 0
    batch_s: float = 0.0
    """Time spent in the transactions of all batches."""
    cas_failures: int = 0
    """Batches that found their offsets moved by another member."""
    retries: int = 0
    """Batches and events that were tried once more."""
    dead_letters: int = 0
    """Events that were set aside."""
    rebalances: int = 0
    applied_ms: int = 0
    """Timestamp of the newest event that was applied."""


@dataclass(frozen=True, slots=True)
class ProjectorStatus:
    """One interval of a projector's life; counts are since its start."""

    group: str
    events: int
    events_per_s: float
    """In the last interval."""
    lag_events: int
    """Offsets between what is done and what can be read, in this member's partitions."""
    lag_s: float
    """Age of the oldest event that is known to wait, while there is a lag; else 0."""
    cas_failures: int
    retries: int
    halted: int
    """Partitions of this member that stand still at an event."""
    dead_letters: int
    assigned: int
    """Partitions of this member."""
    rebalances: int
    batches: int
    batch_s: float


class Reporter(Protocol):
    """Who listens to a projector."""

    def note(self, text: str) -> None:
        """Something that happens once, such as a partition that halts."""

    def status(self, status: ProjectorStatus) -> None:
        """The regular line of figures."""


class Silent:
    """Nobody listens."""

    def note(self, text: str) -> None:
        """Drop it."""

    def status(self, status: ProjectorStatus) -> None:
        """Drop it."""
