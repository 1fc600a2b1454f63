"""verify(): compare a table with its topic while writers and the replicator run.

Theory of operation. The two sides never stand still, so they are compared up to a common position.

1. A snapshot of the table is read, and the WAL's end L is taken after it began: whatever the
   snapshot shows had committed below L.
2. The topic is read to its end. Until every row of the snapshot was seen, reading goes on, because
   the replicator may be behind.
3. A row is missing for certain when the replicator's progress in Kafka says that everything below
   L is published, and the topic was then read to the end that it had after that was said - to the
   end of its log, not to where an open transaction hides it: what hides there may be the row. No
   replicator may be running: when neither progress nor topic moves for a while, or the time is up,
   what is not there is missing too.
4. Messages that are not of the snapshot must be rows that committed later: they are looked up by
   id. PostgreSQL may stream a commit a moment before other sessions see it, so this is repeated
   for a while before a message is called unexpected.

The progress is only a reason to stop waiting, never evidence: what is compared are rows and
messages. Memory is 17 bytes per row of the snapshot, and some hundred per later message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from mainstem.errors import DecodeError
from mainstem.kafka.consumer import TopicReader
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.partitioner import home_partition
from mainstem.kafka.settings import KafkaSettings
from mainstem.verification.comparison import Comparison, Witness
from mainstem.verification.progress import PROGRESS_TOPIC, Line, ProgressReader
from mainstem.verification.report import Report
from mainstem.verification.table import TableReader

Observe: TypeAlias = Callable[[str, int], None]
"""Told of progress: `rows` or `messages`, and how many were read so far."""


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """How long to wait for a replicator, and which one."""

    timeout_s: float = 30.0
    """How long after the first reading rows may still arrive."""
    still_s: float = 5.0
    """Nobody replicates when nothing moved for this long."""
    settle_s: float = 2.0
    """How long a commit that Kafka has may stay invisible to other sessions."""
    poll_s: float = 0.1
    line: str = "main"
    """The line whose progress tells how far the topic is."""
    progress_topic: str = PROGRESS_TOPIC


def verify(
    database_url: str,
    kafka: KafkaSettings,
    topic: str,
    settings: VerifySettings | None = None,
    observe: Observe = lambda _stage, _count: None,
) -> Report:
    """Whether every row is in the topic exactly once, unchanged and in order.

    Writers and the replicator may run meanwhile. Raises UnknownTopic where table or topic does
    not exist, and ServerUnavailable; a difference is no error but part of the report.
    """
    began_at = time.monotonic()
    settings = settings or VerifySettings()
    with TableReader(database_url, topic) as table, TopicReader(kafka, topic) as reader:
        comparison = Comparison(partial(home_partition, partitions=reader.partitions))
        up_to_lsn = add_rows(table, comparison, observe)
        pursuit = Pursuit(reader, comparison, settings, observe)
        pursuit.read_on()
        if comparison.missing_count:
            line = Line(settings.line, settings.progress_topic)
            with ProgressReader(kafka, line, topic) as progress:
                pursuit.await_rows(progress, up_to_lsn)
        settle(table, comparison, settings)
    rows_hash, messages_hash = comparison.hashes()
    return Report(
        topic=topic,
        up_to_lsn=up_to_lsn,
        rows=comparison.rows,
        records=comparison.records,
        table_hash=rows_hash,
        topic_hash=messages_hash,
        seconds=time.monotonic() - began_at,
        **comparison.differences(),
    )


def add_rows(table: TableReader, comparison: Comparison, observe: Observe) -> int:
    """Take in a snapshot of the table; returns an LSN above all of its commits."""
    with table.snapshot() as up_to_lsn:
        for rows in table.rows():
            for row in rows:
                comparison.add_row(row.id, row.record())
            observe("rows", comparison.rows)
    return up_to_lsn


class Pursuit(NamedTuple):
    """Reads the topic after the snapshot until its rows are there, or certainly are not."""

    reader: TopicReader
    comparison: Comparison
    settings: VerifySettings
    observe: Observe

    def read_on(self) -> bool:
        """Take in the topic up to where its log ends now; False where it got stuck before."""
        ends = self.reader.ends()
        for batch in self.reader.batches(ends, still_s=self.settings.still_s):
            for delivered in batch:
                self.comparison.add_message(witness_of(delivered))
            self.observe("messages", self.comparison.records)
        return self.reader.has_reached(ends)

    def await_rows(self, progress: ProgressReader, up_to_lsn: int) -> None:
        """Read on until no row is missing, or it is known or to be assumed that some stay so."""
        started_at = moved_at = time.monotonic()
        before = (0, 0)
        while True:
            # Asked before the end of the log is, so that it speaks of what lies below that end.
            published_lsn = progress.published_lsn()
            certain = self.read_on() and published_lsn >= up_to_lsn
            if certain or not self.comparison.missing_count:
                return
            now, after = time.monotonic(), (published_lsn, self.comparison.records)
            if after != before:
                before, moved_at = after, now
            if now - moved_at > self.settings.still_s or now - started_at > self.settings.timeout_s:
                return
            time.sleep(self.settings.poll_s)


def settle(table: TableReader, comparison: Comparison, settings: VerifySettings) -> None:
    """Look up the rows of the messages that are not of the snapshot."""
    started_at = time.monotonic()
    while pending := comparison.pending():
        for row in table.rows_of(pending):
            comparison.settle(row.id, row.record())
        if not comparison.pending() or time.monotonic() - started_at > settings.settle_s:
            return
        time.sleep(settings.poll_s)


def witness_of(delivered: Delivered) -> Witness:
    """What a message says of its event; one that is no event keeps its place."""
    try:
        record, stored_id, position = delivered.record()
    except DecodeError:
        return Witness(None, delivered.partition, delivered.offset)
    return Witness(stored_id, delivered.partition, delivered.offset, record, position)
