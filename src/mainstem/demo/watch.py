"""Watches the topic while the demo runs: how much is in Kafka, and how much hangs in the air."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from mainstem.demo.settings import Place
from mainstem.errors import MainstemError, ServerUnavailable
from mainstem.kafka.consumer import TopicReader
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.topics import Topics

BATCH_MAX = 1000
POLL_S = 0.05
EMPTY_POLLS_MAX = 100


class TopicWatch:
    """Counts what read_committed consumers see of the topic, in a thread of its own.

    `count` and `ends` may be read from any thread at any time.
    """

    def __init__(self, place: Place, partitions: int) -> None:
        """Prepare the watch; it begins on entering the context."""
        self.count = 0
        self.ends: dict[int, int] = dict.fromkeys(range(partitions), 0)
        self._place = place
        self._topics = Topics(place.kafka)
        self._failure: MainstemError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="demo-watch", daemon=True)

    def __enter__(self) -> Self:
        """Begin to count, from the start of the topic."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting and close the consumer."""
        self._stopping.set()
        self._thread.join()

    def uncommitted_ends(self) -> dict[int, int]:
        """Partition -> its end, records of open and aborted transactions included."""
        return self._topics.ends(self._place.topic, len(self.ends))

    def open_records(self) -> int:
        """How many records lie in the topic that no transaction has committed or aborted yet."""
        # The whole end first: what is committed in between makes it too small, never too large.
        whole = self.uncommitted_ends()
        committed = self._topics.ends(self._place.topic, len(self.ends), committed=True)
        return max(0, sum(whole.values()) - sum(committed.values()))

    def passed(self, ends: Mapping[int, int]) -> bool:
        """Whether anything committed was seen beyond these ends."""
        return any(self.ends[partition] > end for partition, end in ends.items())

    def check(self) -> None:
        """Raise what ended the watch, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        """Count until told to stop."""
        try:
            with TopicReader(self._place.kafka, self._place.topic) as reader:
                while not self._stopping.is_set():
                    for delivered in reader.batch(POLL_S):
                        self.count += 1
                        self.ends[delivered.partition] = delivered.offset + 1
        except MainstemError as error:
            self._failure = error


def written_offsets(place: Place, ends: Mapping[int, int]) -> dict[int, set[int]]:
    """Offsets of all records up to `ends`, of aborted transactions too.

    Raises ServerUnavailable when it gets no further.
    """
    filled = {partition: end for partition, end in ends.items() if end > 0}
    offsets: dict[int, set[int]] = {partition: set() for partition in filled}
    places = [TopicPartition(place.topic, partition, OFFSET_BEGINNING) for partition in filled]
    consumer = everything(place)
    try:
        consumer.assign(places)
        for _ in range(sum(filled.values()) + EMPTY_POLLS_MAX):
            # The position passes control records too, so it reaches the end.
            if all(at.offset >= filled[at.partition] for at in consumer.position(places)):
                return offsets
            for message in consumer.consume(BATCH_MAX, POLL_S):
                partition, offset = message.partition(), message.offset()
                if message.error() is None and partition is not None and offset is not None:
                    offsets[partition].add(offset)
    finally:
        consumer.close()
    raise ServerUnavailable(f"{place.topic} could not be read to its end")


def everything(place: Place) -> Consumer:
    """A consumer that sees what aborted transactions left behind, too."""
    with kafka_errors(f"reading {place.topic}"):
        return Consumer(
            place.kafka.config(
                group_id="mainstem-demo",
                enable_auto_commit=False,
                isolation_level="read_uncommitted",
                auto_offset_reset="error",
            )
        )
