"""Kafka topics: create them as events need them, and tell how they are."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from mainstem.errors import ServerUnavailable, UnknownTopic
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.settings import KafkaSettings

TIMEOUT_S = 30.0
LIST_TIMEOUT_S = 4.0
VISIBLE_POLL_S = 0.02
LATEST = OffsetSpec.latest()
EARLIEST = OffsetSpec.earliest()
BROKER_DEFAULT = -1
FOR_EVER = "-1"
EVENT_TOPIC: Mapping[str, str] = {
    "retention.ms": FOR_EVER,
    "retention.bytes": FOR_EVER,
    "message.timestamp.type": "CreateTime",
    # Events may be dated ahead; the default refuses more than an hour (KIP-937).
    "message.timestamp.after.max.ms": str(2**63 - 1),
}
COMPACTED_TOPIC: Mapping[str, str] = {
    "cleanup.policy": "compact",
    "retention.ms": FOR_EVER,
    # The active segment is never compacted, so it is kept small.
    "segment.bytes": str(16 * 1024 * 1024),
}


class TopicFacts(NamedTuple):
    """What the cluster says of a topic."""

    name: str
    topic_id: str
    """Changes when a topic is deleted and created again."""
    partitions: int
    settings: Mapping[str, str]
    empty: bool
    """No record was ever written to it."""


class TopicShape(NamedTuple):
    """What the cluster says of a topic at once."""

    topic_id: str
    partitions: int


class Topics:
    """Topics of one cluster; every method raises ServerUnavailable or a Refusal on failure."""

    def __init__(self, kafka: KafkaSettings, *, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare an admin client; it connects at the first call."""
        self._timeout_s = timeout_s
        with kafka_errors("setting up an admin client"):
            self._admin = AdminClient(kafka.config())

    def create(
        self, name: str, settings: Mapping[str, str], *, partitions: int | None = None
    ) -> bool:
        """Create the topic, by the broker's defaults where nothing is said; False if it exists.

        When it returns, the topic can be described: brokers learn of a new one a moment later.
        """
        created = self._create(name, settings, partitions)
        deadline_s = time.monotonic() + self._timeout_s
        while name not in self._names():
            if time.monotonic() > deadline_s:
                raise ServerUnavailable(f"Kafka created the topic {name}, but does not know it")
            time.sleep(VISIBLE_POLL_S)
        return created

    def _create(self, name: str, settings: Mapping[str, str], partitions: int | None) -> bool:
        """Ask for the topic; False if it exists."""
        topic = NewTopic(name, partitions or BROKER_DEFAULT, BROKER_DEFAULT, config=dict(settings))
        futures = self._admin.create_topics([topic], operation_timeout=self._timeout_s)
        try:
            futures[name].result(self._timeout_s)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise failure(error.args[0], f"creating the topic {name}") from error
        except TimeoutError as error:
            raise ServerUnavailable(f"Kafka did not create the topic {name} in time") from error
        return True

    def describe(self, names: Iterable[str], *, with_ends: bool = True) -> dict[str, TopicFacts]:
        """The facts of those topics that exist; without ends `empty` is left False."""
        shapes = self.shapes(names)
        with kafka_errors("describing topics"):
            settings = self._settings(shapes) if shapes else {}
        return {
            name: TopicFacts(
                name,
                shape.topic_id,
                shape.partitions,
                settings[name],
                empty=with_ends and not any(self.ends(name, shape.partitions).values()),
            )
            for name, shape in shapes.items()
        }

    def shapes(self, names: Iterable[str]) -> dict[str, TopicShape]:
        """Id and size of those topics that exist."""
        wanted = list(names)
        if not wanted:
            return {}
        found = {}
        with kafka_errors("describing topics"):
            for name, future in self._admin.describe_topics(TopicCollection(wanted)).items():
                try:
                    told = future.result(self._timeout_s)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
                else:
                    found[name] = TopicShape(str(told.topic_id), len(told.partitions))
        return found

    def ids(self, names: Iterable[str]) -> dict[str, str]:
        """The id of each topic, which changes when it is deleted and created; UnknownTopic."""
        wanted = list(names)
        shapes = self.shapes(wanted)
        for name in wanted:
            if name not in shapes:
                raise UnknownTopic(
                    f"Kafka has no topic {name!r} (any more)",
                    hint="create it, or let the replicator do so: mainstem replicate",
                )
        return {name: shapes[name].topic_id for name in wanted}

    def ends(self, topic: str, partitions: int, *, committed: bool = False) -> dict[int, int]:
        """The end offset of each partition; `committed`: the last stable offset instead."""
        places = [Place(topic, number) for number in range(partitions)]
        found = self.offsets(places, LATEST, committed=committed)
        return {place.partition: offset for place, offset in found.items()}

    def all_ends(self, names: Iterable[str], *, committed: bool = False) -> dict[Place, int]:
        """As `ends`, of every partition of those topics that exist."""
        places = [
            Place(name, number)
            for name, shape in self.shapes(names).items()
            for number in range(shape.partitions)
        ]
        return self.offsets(places, LATEST, committed=committed)

    def offsets(
        self, places: Iterable[Place], spec: OffsetSpec, *, committed: bool = True
    ) -> dict[Place, int]:
        """What `spec` asks for of each, -1 for none; `committed`: as read_committed consumers."""
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        with kafka_errors("asking for offsets"):
            futures = self._admin.list_offsets(asked, isolation_level=isolation)
            return {
                Place(each.topic, each.partition): future.result(self._timeout_s).offset
                for each, future in futures.items()
            }

    def _names(self) -> Container[str]:
        """The topics that the cluster knows."""
        with kafka_errors("listing topics"):
            # A blocking call that no signal can interrupt, hence its own bound.
            topics: Container[str] = self._admin.list_topics(timeout=LIST_TIMEOUT_S).topics
        return topics

    def _settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The effective settings of topics."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        futures: Any = self._admin.describe_configs(resources)
        return {
            resource.name: {
                entry.name: entry.value for entry in future.result(self._timeout_s).values()
            }
            for resource, future in futures.items()
        }


def create_event_topic(
    kafka: KafkaSettings, topic: str, *, partitions: int | None = None, timeout_s: float = TIMEOUT_S
) -> bool:
    """Create the Kafka topic of an event table; False if it exists already."""
    return Topics(kafka, timeout_s=timeout_s).create(topic, EVENT_TOPIC, partitions=partitions)


def describe_topic(kafka: KafkaSettings, topic: str) -> TopicFacts | None:
    """The facts of one topic, or None where it does not exist."""
    return Topics(kafka).describe([topic]).get(topic)
