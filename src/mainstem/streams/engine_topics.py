"""The engine's topics: made by our own means, with settings under which nothing is ever lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from quixstreams.models.topics import Topic, TopicManager
from quixstreams.models.topics.topic import TopicType

from mainstem.errors import UnknownTopic
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, Topics
from mainstem.streams.keeping import TOMBSTONES_S

if TYPE_CHECKING:
    from quixstreams.models.topics import TopicAdmin

SETTINGS: Final[Mapping[TopicType, Mapping[str, str]]] = {
    # Their records carry the times of events, so any bound would delete a replay at once.
    TopicType.REPARTITION: EVENT_TOPIC,
    TopicType.CHANGELOG: {
        **COMPACTED_TOPIC,
        "delete.retention.ms": str(round(TOMBSTONES_S * 1000)),
    },
}


class EngineTopics(TopicManager):
    """The engine's book of topics. Its own way to make one waits a second or more for each."""

    def __init__(self, admin: TopicAdmin, app: str, topics: Topics) -> None:
        """Make what is missing by `topics`."""
        super().__init__(topic_admin=admin, consumer_group=app)
        self._ours = topics

    def _create_topic(self, topic: Topic, timeout: float, create_timeout: float) -> None:
        """Make a topic of the engine's own; UnknownTopic for a source that is not there."""
        del timeout, create_timeout
        settings = SETTINGS.get(topic._type)  # It tells it to nobody else.
        if settings is None:
            raise UnknownTopic(
                f"Kafka has no topic {topic.name!r} to read from",
                hint="create it, or let the replicator do so: mainstem replicate",
            )
        config = topic.create_config
        self._ours.create(
            topic.name, settings, partitions=config.num_partitions if config else None
        )
