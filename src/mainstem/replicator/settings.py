"""What a replicator can be told: names, bounds and times, checked when built."""

from __future__ import annotations

from dataclasses import dataclass, field

from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.naming import checked

PROGRESS_TOPIC = "_mainstem_progress"
TRANSACTION_TIMEOUT_MIN_S = 1.0
"""What librdkafka takes at the least."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a batch is committed, and what may be held in memory meanwhile.

    A batch ends when the stream runs dry, or at the end of the PostgreSQL transaction that reaches
    one of the first three bounds. A PostgreSQL transaction is cut only where it alone exceeds one
    of the three bounds of transactions.
    """

    batch_events_max: int = 20_000
    batch_bytes_max: int = 16_000_000
    batch_age_max_s: float = 0.25
    transaction_events_max: int = 50_000
    transaction_bytes_max: int = 24_000_000
    transaction_age_max_s: float = 3.0
    """A transaction that arrives slowly is cut long before Kafka gives the batch up."""
    backfill_rows_max: int = 5_000
    backfill_bytes_max: int = 8_000_000

    def __post_init__(self) -> None:
        """Refuse bounds that nothing could pass."""
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be positive, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ReplicatorSettings:
    """One line: where it reads, where it writes, under which name, and its patience.

    The slot is `mainstem_<line>`; the transactional ids carry the server, database and line.
    """

    database_url: str = field(repr=False)
    kafka: KafkaSettings
    line: str = "main"
    publication: str = "mainstem"
    extra_topics: tuple[str, ...] = ()
    """Event tables to replicate whose names do not end in `_events`."""
    bounds: Bounds = field(default_factory=Bounds)
    heartbeat_s: float = 5.0
    transaction_timeout_s: float = 30.0
    """Kafka aborts an unfinished transaction after this; it also bounds a commit."""
    takeover_s: float = 10.0
    """PostgreSQL takes the line from a replicator that it has not heard of for this long."""
    status_s: float = 5.0
    unavailable_max_s: float = 60.0
    """How long servers may be away, without any progress in between, before we give up."""

    def __post_init__(self) -> None:
        """Refuse names that are no identifiers and times that cannot work."""
        checked(self.line, "line")
        checked(self.slot, "replication slot")
        checked(self.publication, "publication")
        for topic in self.extra_topics:
            checked(topic)
        for name in ("heartbeat_s", "transaction_timeout_s", "takeover_s", "status_s"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be positive, not {getattr(self, name)}")
        if self.transaction_timeout_s < TRANSACTION_TIMEOUT_MIN_S:
            raise ConfigurationError(
                f"transaction_timeout_s must be at least {TRANSACTION_TIMEOUT_MIN_S},"
                f" not {self.transaction_timeout_s}"
            )
        if self.takeover_s < 2 * self.heartbeat_s:
            # The heartbeat is what keeps the lock session from being taken for dead.
            raise ConfigurationError(
                f"takeover_s ({self.takeover_s}) must be at least twice heartbeat_s"
                f" ({self.heartbeat_s})"
            )

    @property
    def slot(self) -> str:
        """Name of the replication slot."""
        return f"mainstem_{self.line}"
