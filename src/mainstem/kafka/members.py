"""Consumer groups: how many members they have now, and the offsets that they keep."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.settings import KafkaSettings

TIMEOUT_S = 10.0


def member_counts(kafka: KafkaSettings, groups: Sequence[str]) -> dict[str, int]:
    """Group -> members; a group that Kafka does not know has none. ServerUnavailable."""
    if not groups:
        return {}
    with kafka_errors("setting up an admin client"):
        admin = AdminClient(kafka.config())
    counts = {}
    for group, future in admin.describe_consumer_groups(list(groups)).items():
        try:
            counts[group] = len(future.result(TIMEOUT_S).members)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise failure(error.args[0], f"describing the group {group}") from error
            counts[group] = 0
    return counts


def kept_offsets(
    admin: AdminClient, group: str, *, timeout_s: float = TIMEOUT_S
) -> dict[Place, int]:
    """The offsets that a group keeps, of whatever topic. ServerUnavailable."""
    with kafka_errors(f"asking for the offsets of the group {group}"):
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s
        )
        kept = asked[group].result(timeout_s).topic_partitions or []
    return {
        Place(each.topic, each.partition): each.offset
        for each in kept
        if each.error is None and each.offset >= 0
    }
