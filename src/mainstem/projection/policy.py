"""Policies: what becomes of a projection when an event cannot be applied; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from mainstem.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Stop:
    """Halt the event's partition, and go on with the others.

    The process stays up and says that it is not well. It is tried again when it starts anew, or
    by `mainstem projection retry`.
    """


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Set the event aside, with its place, and go on; later events of its key wait behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again, with pauses that grow; then do as `then` says."""

    attempts: int = 5
    """In all, the first one included."""
    first_s: float = 0.1
    factor: float = 2.0
    max_s: float = 30.0
    then: Stop | DeadLetter = field(default_factory=Stop)

    def __post_init__(self) -> None:
        """Refuse numbers that no pause can be made of."""
        if self.attempts < 1:
            raise ConfigurationError(f"attempts must be at least 1, not {self.attempts}")
        if not (0 < self.first_s <= self.max_s) or self.factor < 1:
            raise ConfigurationError(
                f"pauses from {self.first_s} s to {self.max_s} s by a factor of {self.factor}"
                " cannot grow"
            )


Policy: TypeAlias = Stop | Retry | DeadLetter
