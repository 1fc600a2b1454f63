"""TopicOptions: what a topic's table has beside the columns that every event needs; pure."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem.postgres.keys import key_type_named


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOptions:
    """How to create the table of a topic; ConfigurationError for what cannot be.

    Without any of it the table has exactly the shape that the Java original reads and writes.
    """

    key_type: str = "uuid"
    versioned: bool = False
    """Number the events of each key from 1: what `expected_version=` needs."""
    idempotent: bool = False
    """Keep an id of the caller's with each event, once: what `event_id=` needs."""

    def __post_init__(self) -> None:
        """Refuse what no table can have."""
        key_type_named(self.key_type)
