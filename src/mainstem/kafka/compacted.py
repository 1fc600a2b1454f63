"""The last committed value of a key in a compacted topic, read behind a fence."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, TopicPartition

from mainstem.errors import ServerUnavailable
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.producer import Stopping
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics

BATCH_MAX = 1000
WAIT_S = 0.2
TIMEOUT_S = 60.0
TAIL = 2000
"""Records before the end that are looked at first."""


def read_last(kafka: KafkaSettings, topic: str, key: bytes, stopping: Stopping) -> bytes | None:
    """The last committed value of `key` in partition 0 of `topic`, or None.

    Call it after fencing the writers of this key: then no older transaction of theirs is open.
    It reads to the end of the log as uncommitted readers see it: a reader that stopped at the last
    stable offset would miss what another writer's open transaction hides, and take a stale value.
    Raises ServerUnavailable when that transaction does not end within 60 s.
    """
    end = Topics(kafka).ends(topic, 1)[0]
    # A line in use has its last record near the end, so the whole log is rarely read.
    for start in sorted({max(0, end - TAIL), 0}, reverse=True):
        with kafka_errors(f"reading {topic}"):
            last = read_range(kafka, TopicPartition(topic, 0, start), end, key, stopping)
        if last is not None:
            return last
    return None


def read_range(
    kafka: KafkaSettings, start: TopicPartition, end: int, key: bytes, stopping: Stopping
) -> bytes | None:
    """The last committed value of `key` between an offset and `end`."""
    consumer = Consumer(
        kafka.config(
            group_id="mainstem-unused",
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="error",
            fetch_wait_max_ms=50,
        )
    )
    deadline_s = time.monotonic() + TIMEOUT_S
    last = None
    try:
        consumer.assign([start])
        # The position passes control records too, so it reaches the end.
        while end > 0 and consumer.position([start])[0].offset < end:
            for message in consumer.consume(BATCH_MAX, WAIT_S):
                if (error := message.error()) is not None:
                    raise failure(error, f"reading {start.topic}")
                if message.key() == key:
                    last = message.value()
            if stopping() or time.monotonic() > deadline_s:
                raise ServerUnavailable(
                    f"an open transaction hides the end of {start.topic} at offset {end}",
                    hint="another replicator's transaction must time out; try again",
                )
    finally:
        consumer.close()
    return last
