"""Where a rebuild begins in Kafka: at the first event, or at a position that was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka.admin import OffsetSpec

from mainstem.kafka.clients import unknown
from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.projection.rebuilding.planning import Beginning, FromOffset, FromTime

TIMEOUT_S: Final = 10.0


class Log:
    """What Kafka says of a projection's topics."""

    def __init__(self, kafka: KafkaSettings, topics: Iterable[str]) -> None:
        """Look them up; UnknownTopic where one does not exist."""
        self._topics = Topics(kafka, timeout_s=TIMEOUT_S)
        wanted = list(topics)
        self.facts = self._topics.shapes(wanted)
        if missing := [topic for topic in wanted if topic not in self.facts]:
            raise unknown(missing[0])

    @property
    def topic_ids(self) -> dict[str, str]:
        """The identity of each topic."""
        return {topic: facts.topic_id for topic, facts in self.facts.items()}

    def ends(self) -> dict[Place, int]:
        """Up to where committed events can be read at this moment."""
        return self._topics.all_ends(self.facts, committed=True)

    def first_offsets(self, beginnings: Iterable[Beginning]) -> dict[Place, int]:
        """The first offset of each partition that a rebuild is to read."""
        first = {
            Place(topic, partition): 0
            for topic, facts in self.facts.items()
            for partition in range(facts.partitions)
        }
        for beginning in beginnings:
            if isinstance(beginning, FromOffset):
                first[beginning.place] = beginning.offset
            elif isinstance(beginning, FromTime):
                first.update(self._offsets_at(beginning.timestamp_ms))
        return first

    def _offsets_at(self, timestamp_ms: int) -> dict[Place, int]:
        """The first offset of each partition whose event is not older; else its end."""
        spec = OffsetSpec.for_timestamp(timestamp_ms)
        found, ends = self._topics.offsets(self.first_offsets(()), spec), self.ends()
        return {place: offset if offset >= 0 else ends[place] for place, offset in found.items()}
