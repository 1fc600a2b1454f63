"""Reading a topic back: committed messages in batches, each partition from its own offset.

Theory of operation. A `TopicReader` reads every partition of one topic, given by hand: no group, no
committed offsets, nothing shared. How partitions are read stands in partitions.py. A partition's
place is `reached`, which counts transaction markers too: they occupy offsets, so that a topic's
end is never reached by counting its events.

Two ends exist. `ends()` is where the log ends; up to there something may be hidden by a
transaction that is still open, and then reading waits until that transaction ended.
`visible_ends()` is where a read_committed consumer would stop at this moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Self

from confluent_kafka import OFFSET_BEGINNING

from mainstem.errors import ConfigurationError, MainstemError
from mainstem.kafka.clients import POLL_S, REQUEST_TIMEOUT_S
from mainstem.kafka.delivered import Delivered, Place
from mainstem.kafka.partitions import HandReader
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics


class TopicReader:
    """Reads the committed messages of one topic; for one thread at a time.

    Partitions without an offset begin at the topic's beginning. Raises UnknownTopic where Kafka
    has no such topic, ConfigurationError for offsets of partitions that do not exist, the refusal
    `topic-recreated` where Kafka no longer (or never) held an offset, and ServerUnavailable.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        offsets: Mapping[int, int] | None = None,
        *,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """Connect and take up each partition at its offset."""
        self.topic = topic
        self._topics = Topics(kafka, timeout_s=request_timeout_s)
        self._reader = HandReader(kafka, (topic,), request_timeout_s=request_timeout_s)
        self.partitions = len(self._reader.known)
        try:
            self._reader.take_up(self._starts(offsets or {}))
        except MainstemError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def reached(self) -> dict[int, int]:
        """Of each partition: one past the last offset that was handed out, or the end."""
        return {place.partition: offset for place, offset in self._reader.reached.items()}

    def close(self) -> None:
        """Leave Kafka; closing twice does no harm."""
        self._reader.close()

    def batch(self, wait_s: float = POLL_S) -> list[Delivered]:
        """The messages that are there, after at most `wait_s`; empty where none came."""
        return self._reader.batch(wait_s)

    def batches(
        self, until: Mapping[int, int] | None = None, *, still_s: float | None = None
    ) -> Iterator[list[Delivered]]:
        """Batches until each partition reached its offset in `until`; for ever without it.

        Messages beyond `until` may be among them. Ends early when nothing moved for `still_s`.
        """
        at = self._reader.reached
        moved_at, reached = time.monotonic(), sum(at.values())
        while until is None or not self.has_reached(until):
            if batch := self.batch():
                yield batch
            if reached != (reached := sum(at.values())):
                moved_at = time.monotonic()
            elif still_s is not None and time.monotonic() - moved_at > still_s:
                return

    def has_reached(self, until: Mapping[int, int]) -> bool:
        """Whether everything below these offsets was handed out."""
        reached = self.reached
        return all(reached[partition] >= end for partition, end in until.items())

    def ends(self) -> dict[int, int]:
        """Where each partition's log ends, whatever is still hidden below."""
        return self._topics.ends(self.topic, self.partitions)

    def visible_ends(self) -> dict[int, int]:
        """Up to where committed messages can be read at this moment."""
        return self._topics.ends(self.topic, self.partitions, committed=True)

    def _starts(self, offsets: Mapping[int, int]) -> dict[Place, int]:
        """Where each partition begins; ConfigurationError for one that does not exist."""
        if strange := sorted(partition for partition in offsets if partition >= self.partitions):
            raise ConfigurationError(
                f"offsets name partitions {strange} of {self.topic},"
                f" which has {self.partitions} partitions"
            )
        return {
            place: offsets.get(place.partition, OFFSET_BEGINNING) for place in self._reader.known
        }


def end_offsets(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    """Where each partition of the topic ends now, for a bounded reading."""
    with TopicReader(kafka, topic) as reader:
        return reader.ends()


def visible_end_offsets(kafka: KafkaSettings, topic: str) -> dict[int, int]:
    """Up to where each partition of the topic shows committed messages now."""
    with TopicReader(kafka, topic) as reader:
        return reader.visible_ends()


def read(
    kafka: KafkaSettings,
    topic: str,
    offsets: Mapping[int, int] | None = None,
    until: Mapping[int, int] | None = None,
) -> Iterator[list[Delivered]]:
    """Committed messages from `offsets` up to, without, `until`; for ever without `until`."""
    with TopicReader(kafka, topic, offsets) as reader:
        for batch in reader.batches(until):
            if within := below(batch, until):
                yield within


def below(batch: list[Delivered], until: Mapping[int, int] | None) -> list[Delivered]:
    """The messages below these offsets; a partition without one gives none."""
    if until is None:
        return batch
    return [each for each in batch if each.offset < until.get(each.partition, 0)]
