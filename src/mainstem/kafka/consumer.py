"""Reading a topic back: committed messages in batches, each partition from its own offset.

Theory of operation. A `TopicReader` owns one librdkafka consumer that assigns every partition of
one topic by hand: no group, no committed offsets, nothing shared. librdkafka prefetches into a
queue bounded by bytes, which is all the back-pressure there needs to be: who does not ask for a
batch stops the fetching. A partition's place is `reached`: one past the last offset that was handed
out, or where the broker reported the end. The latter matters, because transaction markers occupy
offsets too: a topic's end is never reached by counting its events.

Two ends exist. `ends()` is where the log ends; up to there something may be hidden by a
transaction that is still open, and then reading waits until that transaction ended.
`visible_ends()` is where a read_committed consumer would stop at this moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Self, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Message,
    TopicPartition,
    murmur2,
)

from mainstem.errors import ConfigurationError, MainstemError, UnknownTopic
from mainstem.kafka.delivered import Delivered, Headers
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.refusals import refusal

BATCH_EVENTS_MAX = 500
"""Larger batches are slower: Python's garbage collector walks over them."""
PREFETCH_KILOBYTES_MAX = 16_384
PREFETCH_PAUSE_MS = 10
"""How long a full queue stops the fetching; librdkafka's default is a whole second."""
FETCH_WAIT_MS = 100
"""How long the broker holds an empty answer, which is what tells that an end was reached."""
POLL_S = 0.1
"""How long one wait for messages lasts before stop requests and ends are looked at."""
REQUEST_TIMEOUT_S = 10.0
LOG_LEVEL = 2
"""A broker that is away would fill stderr with twenty lines a second; what matters is raised."""
ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001 - librdkafka's own codes are spelled so
OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the same


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
        self._consumer = consumer_of(kafka)
        try:
            self.partitions = partition_count(self._consumer, topic, request_timeout_s)
            self.reached = self._assign(dict(offsets or {}))
        except MainstemError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave Kafka; closing twice does no harm."""
        self._consumer.close()

    def batch(self, wait_s: float = POLL_S) -> list[Delivered]:
        """The messages that are there, after at most `wait_s`; empty where none came."""
        with kafka_errors(f"reading {self.topic}"):
            first = self._consumer.poll(wait_s)
            # Waiting inside consume() would wait for a full batch, half a second of latency.
            rest = [] if first is None else self._consumer.consume(BATCH_EVENTS_MAX - 1, 0)
        arrived = [] if first is None else [first, *rest]
        return [delivered for message in arrived if (delivered := self._taken(message))]

    def batches(
        self, until: Mapping[int, int] | None = None, *, still_s: float | None = None
    ) -> Iterator[list[Delivered]]:
        """Batches until each partition reached its offset in `until`; for ever without it.

        Messages beyond `until` may be among them. Ends early when nothing moved for `still_s`.
        """
        moved_at, reached = time.monotonic(), sum(self.reached.values())
        while until is None or not self.has_reached(until):
            if batch := self.batch():
                yield batch
            if reached != (reached := sum(self.reached.values())):
                moved_at = time.monotonic()
            elif still_s is not None and time.monotonic() - moved_at > still_s:
                return

    def has_reached(self, until: Mapping[int, int]) -> bool:
        """Whether everything below these offsets was handed out."""
        return all(self.reached[partition] >= end for partition, end in until.items())

    def ends(self) -> dict[int, int]:
        """Where each partition's log ends, whatever is still hidden below."""
        return self._topics.ends(self.topic, self.partitions)

    def visible_ends(self) -> dict[int, int]:
        """Up to where committed messages can be read at this moment."""
        return self._topics.ends(self.topic, self.partitions, committed=True)

    def _assign(self, offsets: dict[int, int]) -> dict[int, int]:
        if strange := sorted(partition for partition in offsets if partition >= self.partitions):
            raise ConfigurationError(
                f"offsets name partitions {strange} of {self.topic},"
                f" which has {self.partitions} partitions"
            )
        places = [
            TopicPartition(self.topic, partition, offsets.get(partition, OFFSET_BEGINNING))
            for partition in range(self.partitions)
        ]
        with kafka_errors(f"assigning {self.topic}"):
            self._consumer.assign(places)
        return {partition: offsets.get(partition, 0) for partition in range(self.partitions)}

    def _taken(self, message: Message) -> Delivered | None:
        """The message, or None where it only tells that a partition's end was reached."""
        partition, offset, error = message.partition(), message.offset(), message.error()
        assert partition is not None, "every message and every end belongs to a partition"
        if error is not None:
            self._note(error, partition, offset)
            return None
        assert offset is not None, "a message without error has an offset"
        self.reached[partition] = offset + 1
        return Delivered(
            self.topic,
            partition,
            offset,
            as_bytes(message.key()),
            as_bytes(message.value()),
            message.timestamp()[1],
            cast("Headers", message.headers()),
        )

    def _note(self, error: KafkaError, partition: int, offset: int | None) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are spelled so
            self.reached[partition] = max(self.reached[partition], offset or 0)
        elif error.code() in OUT_OF_RANGE:
            at = self.reached[partition]
            raise refusal(
                "topic-recreated", f"{self.topic}[{partition}] does not hold offset {at} (any more)"
            )
        elif error.code() in ABSENT:
            raise unknown(self.topic)
        elif not error.retriable():
            raise failure(error, f"reading {self.topic}[{partition}]")


def consumer_of(kafka: KafkaSettings, *, fetch_wait_ms: int = FETCH_WAIT_MS) -> Consumer:
    """A consumer that sees committed messages only and never moves an offset by itself."""
    settings = kafka.config(
        group_id="mainstem-reader",
        isolation_level="read_committed",
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        auto_offset_reset="error",
        enable_partition_eof=True,
        queued_max_messages_kbytes=PREFETCH_KILOBYTES_MAX,
        fetch_queue_backoff_ms=PREFETCH_PAUSE_MS,
        fetch_wait_max_ms=fetch_wait_ms,
    )
    with kafka_errors("starting a consumer"):
        # The only one of librdkafka's settings that is spelled with an underscore.
        return Consumer({**settings, "log_level": LOG_LEVEL})


def partition_count(consumer: Consumer, topic: str, timeout_s: float) -> int:
    """How many partitions the topic has; UnknownTopic where there is none of that name."""
    with kafka_errors(f"looking up {topic}"):
        found = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
    if found.error is not None and found.error.code() not in ABSENT:
        raise failure(found.error, f"looking up {topic}")
    if found.error is not None or not found.partitions:
        raise unknown(topic)
    return len(found.partitions)


def unknown(topic: str) -> UnknownTopic:
    """The error for a topic that Kafka does not have."""
    return UnknownTopic(
        f"Kafka has no topic {topic!r}",
        hint="the replicator creates it as soon as it runs: mainstem replicate",
    )


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


def home_partition(key: bytes, partitions: int) -> int:
    """The partition that the shared partitioner (murmur2, as Java's) gives the key."""
    return murmur2(key, partitions)


def as_bytes(data: str | bytes | None) -> bytes | None:
    """What librdkafka delivers is bytes; its type hints also allow text."""
    return data.encode() if isinstance(data, str) else data
