"""Where a rebuild begins in Kafka: at the first event, or at a position that was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from mainstem.kafka.clients import unknown
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import TopicFacts, Topics
from mainstem.projection.rebuilding.planning import Beginning, FromOffset, FromTime

TIMEOUT_S: Final = 10.0


class Log:
    """What Kafka says of a projection's topics."""

    def __init__(self, kafka: KafkaSettings, topics: Iterable[str]) -> None:
        """Look them up; UnknownTopic where one does not exist."""
        self._kafka = kafka
        self._topics = Topics(kafka, timeout_s=TIMEOUT_S)
        self.facts = {topic: self._described(topic) for topic in topics}

    @property
    def topic_ids(self) -> dict[str, str]:
        """The identity of each topic."""
        return {topic: facts.topic_id for topic, facts in self.facts.items()}

    def ends(self) -> dict[Place, int]:
        """Up to where committed events can be read at this moment."""
        return {
            Place(topic, partition): end
            for topic, facts in self.facts.items()
            for partition, end in self._topics.ends(topic, facts.partitions, committed=True).items()
        }

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

    def _described(self, topic: str) -> TopicFacts:
        """The facts of a topic."""
        found = self._topics.describe([topic], with_ends=False).get(topic)
        if found is None:
            raise unknown(topic)
        return found

    def _offsets_at(self, timestamp_ms: int) -> dict[Place, int]:
        """The first offset of each partition whose event is not older; else its end."""
        admin = AdminClient(self._kafka.config())
        spec = OffsetSpec.for_timestamp(timestamp_ms)
        asked = {TopicPartition(*place): spec for place in self.first_offsets(())}
        ends = self.ends()
        with kafka_errors("asking for offsets by time"):
            found = {
                Place(each.topic, each.partition): future.result(TIMEOUT_S).offset
                for each, future in admin.list_offsets(asked).items()
            }
        return {place: offset if offset >= 0 else ends[place] for place, offset in found.items()}
