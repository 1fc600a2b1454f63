"""Topics and groups of an application that does not run, with every way to disturb them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from mainstem.kafka.clients import consumer_of
from mainstem.kafka.delivered import Place
from mainstem.kafka.records import bare_message_of
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, Topics
from mainstem.streams.application_record import ApplicationRecord, Topology
from mainstem.streams.founder import read_record
from tests.kafka.publisher import Publisher, delete_topic, record

TIMEOUT_S = 20.0
KEPT = {"cleanup.policy": "delete", **EVENT_TOPIC}


class World:
    """An application's source of two partitions, its repartition topic and its changelog."""

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        """Create the topics, empty."""
        self.kafka = kafka
        self.app = f"{name}-app"
        self.source, self.other = name, f"{name}-other"
        self.repartition, self.changelog = f"repartition__{name}", f"changelog__{name}"
        self.topology = Topology(
            app=self.app,
            sources=(self.source,),
            repartitions=(self.repartition,),
            changelogs=(self.changelog,),
            state_format=1,
        )
        self.admin = AdminClient(kafka.config())
        self.create(self.source, KEPT)
        self.create(self.repartition, KEPT)
        self.create(self.changelog, COMPACTED_TOPIC)

    def close(self) -> None:
        """Delete the topics."""
        for name in (self.source, self.other, self.repartition, self.changelog):
            delete_topic(self.kafka, name)

    def create(self, name: str, settings: Mapping[str, str], partitions: int = 2) -> None:
        """Create a topic."""
        Topics(self.kafka).create(name, settings, partitions=partitions)

    def recreate(self, name: str, settings: Mapping[str, str], partitions: int = 2) -> None:
        """Delete a topic and create it again."""
        delete_topic(self.kafka, name)
        topics = Topics(self.kafka)
        while topics.shapes([name]):
            pass
        self.create(name, settings, partitions)

    def grow(self, name: str, partitions: int) -> None:
        """Give a topic more partitions."""
        self.admin.create_partitions([NewPartitions(name, partitions)])[name].result(TIMEOUT_S)
        topics = Topics(self.kafka)
        while topics.shapes([name])[name].partitions < partitions:
            pass

    def fill(self, name: str, count: int, partition: int = 0) -> None:
        """Write records; the transaction's marker takes one more offset."""
        publisher = Publisher(self.kafka)
        with publisher.transaction():
            for number in range(count):
                publisher.publish_raw(name, bare_message_of(record(number)), partition=partition)

    def delete_below(self, name: str, offset: int, partition: int = 0) -> None:
        """Delete a partition's records."""
        asked = [TopicPartition(name, partition, offset)]
        for future in self.admin.delete_records(asked).values():
            future.result(TIMEOUT_S)

    def commit(self, *offsets: tuple[str, int, int], group: str | None = None) -> None:
        """Set offsets of a group, as one that has no members lets anybody do."""
        consumer = consumer_of(self.kafka, group or self.app)
        consumer.commit(offsets=[TopicPartition(*each) for each in offsets], asynchronous=False)
        consumer.close()

    @contextmanager
    def moving(self, *offsets: tuple[str, int, int]) -> Iterator[None]:
        """Offsets of the group are set in a transaction that is open for the block."""
        consumer = consumer_of(self.kafka, self.app)
        producer = Producer(self.kafka.config(transactional_id=f"{self.app}-moving"))
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        group = consumer.consumer_group_metadata()
        producer.send_offsets_to_transaction([TopicPartition(*each) for each in offsets], group)
        yield
        producer.commit_transaction(TIMEOUT_S)
        consumer.close()

    def committed(self) -> dict[Place, int]:
        """The group's offsets of all that it reads, -1001 for none."""
        consumer = consumer_of(self.kafka, self.app)
        asked = [
            TopicPartition(name, number)
            for name in (self.source, self.repartition)
            for number in (0, 1)
        ]
        answers = consumer.committed(asked, TIMEOUT_S)
        consumer.close()
        return {Place(each.topic, each.partition): each.offset for each in answers}

    def record(self) -> ApplicationRecord | None:
        """The application's record."""
        return read_record(self.kafka, self.app)

    def delete_group(self) -> None:
        """Lose the group's offsets."""
        self.admin.delete_consumer_groups([self.app])[self.app].result(TIMEOUT_S)

    @contextmanager
    def member(self) -> Iterator[Consumer]:
        """A live member of the group, for the block."""
        consumer = consumer_of(self.kafka, self.app)
        consumer.subscribe([self.source])
        while not consumer.assignment():
            consumer.poll(0.1)
        yield consumer
        consumer.close()
