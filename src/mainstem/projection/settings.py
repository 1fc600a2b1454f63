"""What a projector can be told: addresses, bounds and times, checked when built."""

from __future__ import annotations

from dataclasses import dataclass, field

from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import KafkaSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorSettings:
    """Where a projector reads and writes, how much at a time, and its patience."""

    database_url: str = field(repr=False)
    kafka: KafkaSettings
    registry_url: str | None = None
    """A Confluent-compatible registry; else schemas stand in the database."""
    lanes: int = 1
    """Transactions at a time: partitions are shared out among so many threads."""
    instance: str | None = None
    """Name for static membership: known again after a restart, without a rebalance."""
    batch_events_max: int = 2_000
    """In one transaction."""
    ahead_events_max: int = 4_000
    """Decoded and waiting, for each lane."""
    session_timeout_s: float = 10.0
    """Its partitions go to others when a member is not heard of for this long."""
    status_s: float = 5.0
    unavailable_max_s: float = 60.0
    """How long servers may be away, without any progress in between, before it gives up."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        for name in (
            "lanes",
            "batch_events_max",
            "ahead_events_max",
            "session_timeout_s",
            "status_s",
        ):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be positive, not {getattr(self, name)}")
