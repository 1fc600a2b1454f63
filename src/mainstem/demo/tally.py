"""What the writers have saved so far: the ledger that the proof is drawn from."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from mainstem.event import StoredEvent


class Tally:
    """Acknowledged saves by id, and when each count was reached. Used by one event loop."""

    def __init__(self) -> None:
        """Begin with nothing saved."""
        self.ledger: dict[int, StoredEvent[Any]] = {}
        self.started_s = time.monotonic()
        self._milestones: deque[tuple[int, float]] = deque()

    @property
    def saved(self) -> int:
        """How many events were acknowledged."""
        return len(self.ledger)

    def add(self, stored: Iterable[StoredEvent[Any]]) -> None:
        """Enter the events of a transaction that PostgreSQL has committed."""
        self.ledger.update((event.id, event) for event in stored)
        self._milestones.append((self.saved, time.monotonic()))

    def behind_s(self, in_kafka: int) -> float:
        """How long ago the oldest event that is not in Kafka yet was saved."""
        while self._milestones and self._milestones[0][0] <= in_kafka:
            self._milestones.popleft()
        return time.monotonic() - self._milestones[0][1] if self._milestones else 0.0
