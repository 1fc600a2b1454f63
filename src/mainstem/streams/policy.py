"""Policies: what becomes of an application when an event cannot be processed; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from mainstem.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Stop:
    """End the application at the event: nothing of its transaction is visible, nothing is lost."""


@dataclass(frozen=True, slots=True)
class DeadLetterTopic:
    """Write the event as it came to this topic, in the same transaction, and go on behind it.

    What the event had done to the state before it failed is undone. Its headers tell where it came
    from and what class of error it met; see `mainstem.streams.letters`.
    """

    topic: str

    def __post_init__(self) -> None:
        """Refuse a topic without a name."""
        if not self.topic:
            raise ConfigurationError("the dead-letter topic has no name")


Policy: TypeAlias = Stop | DeadLetterTopic

STOP: Final = Stop()
