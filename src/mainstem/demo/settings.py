"""What one run of the demo is to do: its choices and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import KafkaSettings

KILLS_MAX = 20
SECONDS_PER_KILL = 4.0
"""A killed replicator is back within two seconds; the other half is for carrying events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """The choices of a run; ConfigurationError for those that cannot be."""

    events: int | None = None
    """Save only so many of the first order lines; all of them by default."""
    kills: int = 3
    seed: int = 0
    keep: bool = False
    """Leave servers and data there."""
    writers: int = 8
    partitions: int = 3
    start_timeout_s: float = 20.0
    drain_timeout_s: float = 60.0
    kill_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what no run could do."""
        if self.events is not None and self.events < 1:
            raise ConfigurationError(f"--events {self.events} is too few; at least 1")
        if not 0 <= self.kills <= KILLS_MAX:
            raise ConfigurationError(f"--kills {self.kills} is not between 0 and {KILLS_MAX}")

    def rate(self, event_count: int) -> float | None:
        """Events per second that the writers keep to, or None for as fast as they can.

        The kills shall hit a replicator at work, so saving must outlast their pauses.
        """
        return event_count / (self.kills * SECONDS_PER_KILL) if self.kills else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run saves to and reads from."""

    database_url: str
    kafka: KafkaSettings
    topic: str
    line: str
    log: Path
    """What the replicator says goes here."""
