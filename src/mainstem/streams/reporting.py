"""What an application tells while it works; who listens decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Counters:
    """What an instance has done since it started; written by its own thread alone."""

    events: int = 0
    """Processed, those of repartition topics among them."""
    results: int = 0
    """Written to output topics; those of transactions that were not committed too."""
    commits: int = 0
    late: int = 0
    """Dropped by windows that were closed already."""
    dead_letters: int = 0
    rewinds: int = 0
    rebalances: int = 0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One interval of an instance's life; counts are since its start."""

    app: str
    instance: str
    events: int
    events_per_s: float
    """In the last interval."""
    results: int
    lag_events: int
    """Offsets between what is processed and what can be read, in this instance's partitions; 0
    where nothing was there when it last looked."""
    late: int
    dead_letters: int
    commits: int
    rebalances: int
    assigned: int
    """Partitions of sources and repartition topics."""
    state_bytes: int
    """Of this instance's folder of state."""
    reached: bool
    """Whether Kafka answered when these figures were taken."""


@dataclass(frozen=True, slots=True)
class Restore:
    """How far the state is read back from its changelogs."""

    done: int
    total: int


class Reporter(Protocol):
    """Who listens to an application."""

    def note(self, text: str) -> None:
        """Something that happens once, such as a restore."""

    def status(self, status: StreamStatus) -> None:
        """The regular line of figures."""

    def restoring(self, restore: Restore) -> None:
        """State is being read back; the last call has `done` equal to `total`."""


class Silent:
    """Nobody listens."""

    def note(self, text: str) -> None:
        """Drop it."""

    def status(self, status: StreamStatus) -> None:
        """Drop it."""

    def restoring(self, restore: Restore) -> None:
        """Drop it."""
