"""The tail of the progress topic: up to where the replicator says that topics are published."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Self

from mainstem.errors import UnknownTopic
from mainstem.kafka.consumer import TopicReader, end_offsets
from mainstem.kafka.settings import KafkaSettings
from mainstem.verification.progress import TAIL_RECORDS_MAX, Line, published_lsn


class ProgressTail:
    """One consumer for all who wait, for one thread; before the replicator ever ran, none."""

    def __init__(self, kafka: KafkaSettings, line: Line, topics: Collection[str]) -> None:
        """Nothing is read yet."""
        self._kafka = kafka
        self._line = line
        self._topics = topics
        self._key = line.name.encode()
        self._reader: TopicReader | None = None
        self.published_lsn = 0
        """Everything of all topics that committed below it is in Kafka, as far as was read."""

    def read(self, wait_s: float) -> None:
        """Take in what the line says, waiting this long for news; ServerUnavailable."""
        if self._reader is None:
            self._open(wait_s)
            return
        records = (each.value for each in self._reader.batch(wait_s) if each.key == self._key)
        # They come in order, so the last one tells it all.
        for value in list(records)[-1:]:
            self.published_lsn = min(published_lsn(value or b"", each) for each in self._topics)

    def close(self) -> None:
        """Leave Kafka."""
        if self._reader is not None:
            self._reader.close()

    def _open(self, wait_s: float) -> None:
        """Begin a little before the topic's end, if it is there."""
        try:
            ends = end_offsets(self._kafka, self._line.progress_topic)
            starts = {number: max(0, end - TAIL_RECORDS_MAX) for number, end in ends.items()}
            self._reader = TopicReader(self._kafka, self._line.progress_topic, starts)
        except UnknownTopic:
            time.sleep(wait_s)

    def __enter__(self) -> Self:
        """Give the tail itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave Kafka."""
        self.close()
