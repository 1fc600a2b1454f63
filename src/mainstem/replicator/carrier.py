"""From the stream into Kafka, batch by batch, with the line deciding and this file doing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mainstem.errors import DecodeError
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.producer import Produce
from mainstem.kafka.records import message_of
from mainstem.refusals import refusal
from mainstem.replicator.hands import Hands
from mainstem.replicator.line import Join, Line, Publish
from mainstem.replicator.opening import (
    check_tables,
    check_topics,
    member_oid_or_none,
    topic_facts,
)
from mainstem.replicator.points import Point
from mainstem.replicator.progress import Progress, TopicState
from mainstem.replicator.pulse import Pulse
from mainstem.stopping import Stopped
from mainstem.wal.pgoutput import Begin, Commit, decode
from mainstem.wal.protocol import Keepalive, unframe

TOPICS_CHECK_S = 30.0
"""librdkafka itself looks at a topic's partitions every five minutes."""
IDLE_WAIT_S = 0.1
"""How long one wait for the stream may last, so that timers and signals are seen."""


class Carrier:
    """One incarnation's way from the stream into Kafka."""

    def __init__(self, hands: Hands, progress: Progress, careful_lsn: int = 0) -> None:
        """Begin behind the progress; up to `careful_lsn` each transaction is a batch of its own."""
        self._hands = hands
        self.careful_lsn = careful_lsn
        """0 once the stream is past it."""
        bounds = hands.settings.bounds
        if careful_lsn:
            bounds = replace(bounds, batch_events_max=1)
        self._line = Line(hands.settings.line, progress, bounds, hands.settings.extra_topics)
        self._pulse = Pulse(hands, self._line)
        self._produce: Produce | None = None
        self._batch_s = 0.0
        self._topics_s = time.monotonic()
        self._drained = False
        self.commit_lsn = 0
        """Commit LSN of the transaction at hand."""
        self.holds_whole_transactions = False
        """Whether the open batch holds events from before the transaction at hand."""
        self.events_committed = 0

    def run(self, *, once: bool) -> None:
        """Carry until asked to stop; `once`: until all that was committed before is in Kafka."""
        stop, stream, line = self._hands.watch.stop, self._hands.stream, self._line
        if once:
            self._pulse.beat(last=True)
        while not (self._drained or (stop.requested and self._can_stop())):
            # What is to be committed when the stream is dry waits for nothing but to see that.
            waiting = not line.due(dry=True, age_s=0)
            payloads = stream.receive(IDLE_WAIT_S if waiting else 0)
            if payloads:
                self._hands.watch.probe(Point.READ)
                with failures_named():
                    self._take(payloads)
            if line.due(dry=not payloads, age_s=time.monotonic() - self._batch_s):
                self._commit()
            if self._pulse.beat_if_due():
                self._check()
            if not payloads:
                self._pulse.demand_alive()

    def _check(self) -> None:
        """See that publication, tables and, now and then, topics are still as they must be."""
        with self._hands.watch.stop.interruptible():
            check_tables(self._hands, self._line.progress())
        if time.monotonic() - self._topics_s > TOPICS_CHECK_S:
            # More partitions would move keys as soon as the producer hears of them.
            with self._hands.watch.stop.interruptible():
                check_topics(self._hands, self._line.progress())
            self._topics_s = time.monotonic()

    def _can_stop(self) -> bool:
        """Finish the batch if it ends with a whole transaction; else it is given up."""
        if self._line.is_between and not self._line.batch_is_empty:
            self._commit()
        return True

    def _take(self, payloads: list[bytes]) -> None:
        """Let the line decide about each message, and do what it says."""
        line = self._line
        for payload in payloads:
            framed = unframe(payload)
            message = decode(framed) if isinstance(framed, bytes) else framed
            if isinstance(message, Begin):
                self._enter(message.commit_lsn)
            action = line.receive(message)
            if isinstance(action, Publish):
                self._publish(action)
            elif action is not None:
                self._join(action)
            elif isinstance(message, Commit):
                age_s = time.monotonic() - self._batch_s
                if not line.batch_is_empty and line.due(dry=False, age_s=age_s):
                    self._commit()
                    self._between_batches()
            elif isinstance(message, Keepalive) and message.reply_requested:
                self._hands.stream.answer()

    def _between_batches(self) -> None:
        """Many batches may come out of one read: neither a stop nor a heartbeat waits for all."""
        if self._hands.watch.stop.requested:
            raise Stopped
        self._pulse.beat_if_due()

    def _enter(self, commit_lsn: int) -> None:
        """A transaction begins: everything in the batch is whole."""
        self.holds_whole_transactions = not self._line.batch_is_empty
        self.commit_lsn = commit_lsn
        if self.careful_lsn and commit_lsn > self.careful_lsn:
            self.careful_lsn = 0
            self._line.bounds = self._hands.settings.bounds

    def _publish(self, row: Publish) -> None:
        """Add an event to the batch: the hot path."""
        produce = self._produce or self._begin()
        message = message_of(row.record, row.stored_id, row.lsn, row.ordinal)
        if not self._hands.producer.put(produce, row.topic, message):
            self._hands.put(produce, row.topic, message)
        if self._line.must_cut:
            self._commit()

    def _join(self, join: Join) -> None:
        """Create the topic of a table that joins, and let the line know it."""
        hands = self._hands
        with hands.watch.stop.interruptible():
            fact = topic_facts(hands, [join.topic])[join.topic]
            member = member_oid_or_none(hands, join.topic)
        state = TopicState(join.table_oid, fact.topic_id, fact.partitions, join.fence_lsn, member)
        self._line.admit(join.topic, state)
        # The join is committed before any event of the topic: a batch that is given up later
        # leaves aborted records behind, and the topic would not be taken for an empty one again.
        self._commit()
        hands.watch.reporter.note(f"topic {join.topic} joined the line")

    def _begin(self) -> Produce:
        """Begin a Kafka transaction."""
        self._batch_s = time.monotonic()
        self._produce = self._hands.producer.begin()
        return self._produce

    def _commit(self) -> None:
        """Commit the batch with its progress; only then let PostgreSQL forget it."""
        hands, line, probe = self._hands, self._line, self._hands.watch.probe
        if self._produce is None:
            self._begin()
        probe(Point.PRODUCED)
        progress = line.progress()
        hands.commit(progress)
        self._produce = None
        probe(Point.COMMITTED)
        token = line.committed(progress)
        self.events_committed = line.events
        self.holds_whole_transactions = False
        hands.stream.confirm(line.flushed_lsn)
        probe(Point.ACKNOWLEDGED)
        if token is not None:
            self._drained = self._pulse.committed(token)


@contextmanager
def failures_named() -> Iterator[None]:
    """Map librdkafka's errors, and bytes of the stream that are no message we know, to ours."""
    try:
        with kafka_errors("producing events"):
            yield
    except DecodeError as error:
        raise refusal("stream-malformed", error.message) from error
