"""How far the replicator says it is: the newest committed progress record of its line."""

from __future__ import annotations

import json
from typing import NamedTuple, Self

from mainstem.errors import DecodeError, UnknownTopic
from mainstem.event import parse_lsn
from mainstem.kafka.consumer import TopicReader, end_offsets
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.settings import KafkaSettings

PROGRESS_TOPIC = "_mainstem_progress"
TAIL_RECORDS_MAX = 1000
"""A line writes one record per Kafka transaction; a running one has written among the last ones."""
STILL_S = 1.0


class Line(NamedTuple):
    """Whose progress is read, and where."""

    name: str
    progress_topic: str


class ProgressReader:
    """Follows a line's progress for one topic; without any, nothing is published, ever."""

    def __init__(self, kafka: KafkaSettings, line: Line, topic: str) -> None:
        """Begin a little before the end of the progress topic."""
        self._key = line.name.encode()
        self._topic = topic
        self._published_lsn = 0
        self._reader: TopicReader | None = None
        try:
            ends = end_offsets(kafka, line.progress_topic)
            starts = {number: max(0, end - TAIL_RECORDS_MAX) for number, end in ends.items()}
            self._reader = TopicReader(kafka, line.progress_topic, starts)
        except UnknownTopic:
            return

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave Kafka."""
        if self._reader is not None:
            self._reader.close()

    def published_lsn(self) -> int:
        """Everything of the topic that committed below it is in Kafka; 0 where no line says so."""
        if self._reader is not None:
            ends = self._reader.visible_ends()
            for batch in self._reader.batches(ends, still_s=STILL_S):
                for delivered in batch:
                    self._take(delivered)
        return self._published_lsn

    def _take(self, delivered: Delivered) -> None:
        if delivered.key == self._key and delivered.value is not None:
            self._published_lsn = published_lsn(delivered.value, self._topic)


def published_lsn(value: bytes, topic: str) -> int:
    """Up to where a progress record says that the topic is published.

    0 while its older rows are being carried over, for an intent, for a topic that the line does
    not carry, and for anything that is no progress record.
    """
    try:
        content = json.loads(value)
        backfill = content["topics"][topic].get("backfill")
        if backfill and backfill["finished_lsn"] is None:
            return 0
        return parse_lsn(content["flushed_lsn"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, DecodeError):
        return 0
