"""Consumers of ours: what all of them are told, and what they ask before they read."""

from __future__ import annotations

from confluent_kafka import Consumer, KafkaError

from mainstem.errors import UnknownTopic
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.settings import KafkaSettings

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
NO_GROUP = "mainstem-reader"
"""librdkafka wants a name even of who joins no group."""
LOG_LEVEL = 2
"""A broker that is away would fill stderr with twenty lines a second; what matters is raised."""
ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001 - librdkafka's own codes are spelled so
OUT_OF_RANGE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the same


def consumer_of(
    kafka: KafkaSettings,
    group: str = NO_GROUP,
    *,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    **more: str | int,
) -> Consumer:
    """A consumer that sees committed messages only and never moves an offset by itself.

    `more` settings come on top; `_` in a name stands for `.`.
    """
    settings = kafka.config(
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        enable_auto_offset_store=False,
        auto_offset_reset="error",
        enable_partition_eof=True,
        queued_max_messages_kbytes=PREFETCH_KILOBYTES_MAX,
        fetch_queue_backoff_ms=PREFETCH_PAUSE_MS,
        fetch_wait_max_ms=fetch_wait_ms,
        **more,
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


def as_bytes(data: str | bytes | None) -> bytes | None:
    """What librdkafka delivers is bytes; its type hints also allow text."""
    return data.encode() if isinstance(data, str) else data
