"""Heartbeats and figures: proof that the line flows, and how far behind it is.

A heartbeat is a transactional message in the WAL. It takes the way of every event: through the
slot, into a Kafka transaction's progress. Its age is the lag in seconds, and because each one moves
the progress, a database without events never holds back WAL.
"""

from __future__ import annotations

import os
import time

from mainstem.errors import ServerUnavailable
from mainstem.replicator.hands import Hands
from mainstem.replicator.line import Line
from mainstem.replicator.reporting import Status

PATIENCE = 3
"""Take-over times after which a heartbeat counts as lost."""


class Pulse:
    """One incarnation's heartbeats."""

    def __init__(self, hands: Hands, line: Line) -> None:
        """The first beat is due at once."""
        self._hands = hands
        self._line = line
        self._count = 0
        self._sent_s: dict[str, float] = {}
        self._round_trip_s = 0.0
        self._beat_s = self._status_s = time.monotonic()
        self._status_events = 0
        self._last: str | None = None

    def beat(self, *, last: bool = False) -> None:
        """Send a heartbeat; `last`: the line is drained once it is committed."""
        self._count += 1
        token = f"{os.getpid()}-{self._count}-{time.monotonic_ns()}"
        self._sent_s[token] = self._beat_s = time.monotonic()
        with self._hands.watch.stop.interruptible():
            self._hands.session.emit(f"beat {self._hands.settings.line} {token}")
        if last:
            self._last = token

    def beat_if_due(self) -> bool:
        """Send a heartbeat and report when it is time; True where one was sent."""
        now_s = time.monotonic()
        settings = self._hands.settings
        if now_s - self._status_s >= settings.status_s:
            self._report(now_s)
        if now_s - self._beat_s < settings.heartbeat_s:
            return False
        self.beat()
        return True

    def demand_alive(self) -> None:
        """Raise ServerUnavailable where the stream is dry but heartbeats do not come back."""
        oldest_s = min(self._sent_s.values(), default=None)
        patience_s = PATIENCE * self._hands.settings.takeover_s
        if oldest_s is not None and time.monotonic() - oldest_s > patience_s:
            raise ServerUnavailable(
                f"no heartbeat came back for {patience_s:.0f} s, though nothing else came either"
            )

    def committed(self, token: str) -> bool:
        """A beat is in Kafka, and so is all before it; True where the last one is among that."""
        sent_s = self._sent_s.pop(token, None)
        if sent_s is not None:
            self._round_trip_s = time.monotonic() - sent_s
            self._sent_s = {t: s for t, s in self._sent_s.items() if s > sent_s}
        return self._last is not None and self._last not in self._sent_s

    def _lag_bytes(self) -> int:
        """WAL beyond the progress, asked of the server."""
        with self._hands.watch.stop.interruptible():
            return self._hands.session.lag_bytes(self._line.flushed_lsn)

    def _report(self, now_s: float) -> None:
        """Tell the figures of the interval that ends."""
        line = self._line
        interval_s = now_s - self._status_s
        waiting_s = now_s - min(self._sent_s.values(), default=now_s)
        self._hands.watch.reporter.status(
            Status(
                line=self._hands.settings.line,
                events=line.events,
                events_per_s=(line.events - self._status_events) / interval_s,
                resent=line.resent,
                lag_bytes=self._lag_bytes(),
                lag_s=max(waiting_s, self._round_trip_s),
                flushed_lsn=line.flushed_lsn,
            )
        )
        self._status_s, self._status_events = now_s, line.events
