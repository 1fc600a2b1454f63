"""The recovery guard: state is restored to the end of its changelog, whoever wrote it.

Without it the engine restores to the last stable offset. That hides every later record while a
transaction of a dead instance is open, those that another instance has committed meanwhile among
them: state from before its crash would be taken for the newest, and all later results be wrong.
Kafka Streams had the same fault and the same remedy (KAFKA-10167). docs/streams-exactly-once.md
tells more.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from confluent_kafka import TopicPartition

from mainstem.kafka.delivered import Place
from mainstem.kafka.topics import EARLIEST, LATEST, Topics

CHANGELOG: Final = "changelog__"
"""How the names of the engine's changelog topics begin."""


class Consumer(Protocol):
    """The part of the engine's consumer that is guarded."""

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float | None = None, *, cached: bool = False
    ) -> tuple[int, int]:
        """First offset and end of a partition."""


def guard(consumer: Any, topics: Topics) -> None:
    """Have the consumer tell the ends of changelogs as a reader of everything sees them.

    The consumer itself goes on reading what is committed. Its position passes aborted records and
    markers, so it reaches that end as soon as the open transaction is over, and not before.
    """
    plain: Consumer = consumer

    def watermarks(
        partition: TopicPartition,
        timeout: float | None = None,
        cached: bool = False,  # noqa: FBT001, FBT002  # As the engine calls it.
    ) -> tuple[int, int]:
        if partition.topic.startswith(CHANGELOG):
            return whole_range(topics, Place(partition.topic, partition.partition))
        return unguarded(partition, timeout, cached)  # type: ignore[call-arg]  # by position

    unguarded = plain.get_watermark_offsets
    consumer.get_watermark_offsets = watermarks


def whole_range(topics: Topics, place: Place) -> tuple[int, int]:
    """First offset and end of a partition, open transactions included."""
    first = topics.offsets([place], EARLIEST, committed=False)
    end = topics.offsets([place], LATEST, committed=False)
    return first[place], end[place]
