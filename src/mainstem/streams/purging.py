"""Purging: delete from repartition topics what the application has worked off, and nothing else.

They keep everything otherwise, as their records carry the times of events, and a bound by time
would delete a replay at once. Nobody but the application reads them, and it never reads again what
lies below its committed offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from mainstem.errors import ServerUnavailable
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.members import kept_offsets
from mainstem.kafka.settings import KafkaSettings

TIMEOUT_S: Final = 2.0
"""The engine waits meanwhile, so a server that is slow is asked again another time."""


class Purger:
    """Deletes below a group's committed offsets, in these topics alone."""

    def __init__(self, kafka: KafkaSettings, group: str, topics: Sequence[str]) -> None:
        """Connect at the first purge; without topics there is no client."""
        self._kafka = kafka
        self._group = group
        self._topics = frozenset(topics)
        self._done: dict[Place, int] = {}

    def purge(self) -> dict[Place, int]:
        """Delete what is worked off; the first offset that is left, of partitions that changed.

        A server that is away is asked again next time. Raises the refusal `kafka-refused` where the
        right to delete from these topics is missing.
        """
        if not self._topics:
            return {}
        try:
            moved = self._moved()
            return self._delete(moved) if moved else {}
        except ServerUnavailable:
            return {}

    @cached_property
    def _admin(self) -> AdminClient:
        with kafka_errors("setting up an admin client"):
            return AdminClient(self._kafka.config())

    def _moved(self) -> dict[Place, int]:
        """Committed offsets above what was deleted before."""
        kept = kept_offsets(self._admin, self._group, timeout_s=TIMEOUT_S)
        found = {at: offset for at, offset in kept.items() if at.topic in self._topics}
        return {at: offset for at, offset in found.items() if offset > self._done.get(at, 0)}

    def _delete(self, below: dict[Place, int]) -> dict[Place, int]:
        """Delete below these offsets; the first that is left of each."""
        asked = [TopicPartition(*place, offset) for place, offset in below.items()]
        with kafka_errors("deleting what is worked off"):
            futures = self._admin.delete_records(asked, request_timeout=TIMEOUT_S)
        left = {}
        for each, future in futures.items():
            place = Place(each.topic, each.partition)
            try:
                left[place] = future.result(TIMEOUT_S).low_watermark
            except KafkaException as error:
                raise failure(error.args[0], f"deleting what is worked off of {place}") from error
            except TimeoutError:
                continue
            self._done[place] = below[place]
        return left
