"""Watching an engine: its lag, how far its restore is, and how large its state."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, TopicPartition

from mainstem.streams.reporting import Restore, StreamStatus

if TYPE_CHECKING:
    from mainstem.streams.engine import Engine


ANSWER_S: Final = 1.0


class Watch:
    """What is told of one engine."""

    def __init__(self, engine: Engine) -> None:
        """Begin now."""
        self._engine = engine
        self._since_s = time.monotonic()
        self._events = 0

    def status(self) -> StreamStatus:
        """The figures since the last call; for the engine's own thread."""
        engine, counters = self._engine, self._engine.counters
        now_s = time.monotonic()
        took_s, self._since_s = max(now_s - self._since_s, 1e-9), now_s
        events, self._events = counters.events - self._events, counters.events
        return StreamStatus(
            app=engine.app,
            instance=engine.settings.instance,
            events=counters.events,
            events_per_s=events / took_s,
            results=counters.results,
            lag_events=self.lag(),
            late=counters.late,
            dead_letters=counters.dead_letters,
            commits=counters.commits,
            rebalances=counters.rebalances,
            assigned=len(engine.assigned),
            state_bytes=bytes_in(engine.config.state_dir),
            reached=self.reached(),
        )

    def lag(self) -> int:
        """Offsets between what is processed and what could be read when it was last looked at.

        librdkafka's own lag goes by stored offsets, which transactions do not store.
        """
        engine, consumer = self._engine, self._engine.clients[0]
        if engine.idle:
            # What is left then are markers of transactions, which nobody reads.
            return 0
        total = 0
        for place in engine.assigned:
            _, end = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            total += max(0, end - engine.processed.get(place, end))
        return total

    def reached(self) -> bool:
        """Whether Kafka answers; asks about one partition."""
        consumer = self._engine.clients[0]
        # One that has no partitions asks about a source.
        for place in self._engine.assigned or {(min(self._engine.roots), 0)}:
            try:
                consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_S)
            except KafkaException:
                return False
            return True
        return False

    def restore(self) -> Restore | None:
        """How far the state is read back; None while nothing is. For any thread."""
        if self._engine.at_work:
            return None
        done = total = 0
        for offset, end in self._engine.restoring():
            done += min(offset + 1, end) if offset >= 0 else 0
            total += end
        return Restore(done, total) if total else None


def bytes_in(folder: Path) -> int:
    """Of all files below a folder; those that go away meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
