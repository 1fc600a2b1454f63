"""What a stream application can be told: addresses, bounds and times, checked when built."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import PARTITIONER, KafkaSettings

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
"""Of an application and of an instance: both stand in the names of topics, groups and folders."""
HEARTBEATS: Final = 3
"""So many of them fit into a session, as Kafka's manual advises (heartbeat.interval.ms)."""
POLL_S: Final = 0.1
BUFFERED_MESSAGES_MAX: Final = 1_000_000
"""Queue of the producer; a full one would make the engine wait in the middle of an event."""


def instance_by_host() -> str:
    """The host's name, which is what tells instances apart on most platforms."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()) or "instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Where an application reads and writes, and its patience; times in seconds."""

    kafka: KafkaSettings
    registry_url: str | None = None
    instance: str = field(default_factory=instance_by_host)
    """Each process that runs at the same time needs its own, and keeps it when it is restarted:
    its transactional.id and its folder of state go by it. Default: the name of the host."""
    state_dir: Path = Path("state")
    commit_interval_s: float = 1.0
    """Results are visible at each commit: half of it is the latency at the median, all of it at
    the 99th percentile."""
    transaction_timeout_s: float = 10.0
    """No event may take longer. What another instance left undone is aborted after this time."""
    session_timeout_s: float = 10.0
    """Partitions go to others when an instance is not heard of for this long."""
    static_membership: bool = False
    """A restart moves no partitions then, but those of an instance that leaves for good wait until
    the session ends."""
    accept_retention: bool = False
    """Read sources whose events are deleted some day; a replay is not complete then."""
    status_s: float = 5.0
    unavailable_max_s: float = 60.0
    """How long Kafka may be away before the application gives up."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work together."""
        if not NAME.fullmatch(self.instance):
            raise ConfigurationError(f"{self.instance!r} is no name for an instance")
        for name in ("commit_interval_s", "session_timeout_s", "status_s", "unavailable_max_s"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be positive, not {getattr(self, name)}")
        if self.transaction_timeout_s <= 2 * self.commit_interval_s:
            raise ConfigurationError(
                f"transaction_timeout_s is {self.transaction_timeout_s}, but must be more than"
                f" twice commit_interval_s, which is {self.commit_interval_s}",
                hint="a transaction that is not committed in time is aborted by Kafka, and the"
                " application with it",
            )

    def consumer(self, app: str) -> dict[str, Any]:
        """Settings of librdkafka for the consumer."""
        session_ms = round(self.session_timeout_s * 1000)
        own: dict[str, Any] = {
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(3000, session_ms // HEARTBEATS),
            "isolation.level": "read_committed",
        }
        if self.static_membership:
            own["group.instance.id"] = f"{app}.{self.instance}"
        return self.kafka.config() | own

    def producer(self, app: str) -> dict[str, Any]:
        """Settings of librdkafka for the producer; its id is the same after each restart."""
        own: dict[str, Any] = {
            "transactional.id": transactional_id(app, self.instance),
            "transaction.timeout.ms": round(self.transaction_timeout_s * 1000),
            "partitioner": PARTITIONER,
            "linger.ms": 5,
            "queue.buffering.max.messages": BUFFERED_MESSAGES_MAX,
            "compression.type": "lz4",
        }
        return self.kafka.config() | own


def transactional_id(app: str, instance: str) -> str:
    """What fences an older process of the same instance."""
    return f"{app}.{instance}"


def checked_name(name: str) -> str:
    """The name of an application; ConfigurationError for what no topic could be called."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a stream application",
            hint="letters, digits, dots, underscores and dashes, at most 100, a letter first",
        )
    return name
