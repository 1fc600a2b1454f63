"""Reading as a member of a consumer group: partitions come and go, and nothing is committed here.

Theory of operation. One librdkafka consumer, for one thread. Partitions are handed over
cooperatively: those that stay are read on while others move (KIP-429). Where a partition begins is
the listener's business, which knows the offsets; there is no reset, so an offset that Kafka does
not hold any more is an error. librdkafka calls back inside of `poll`, and so does the listener
hear of it inside of `batch`. A member that could not poll for too long, or was cut off, has lost
its partitions to others by the time it hears of it: whatever it does with them must be fenced by
a compare-and-set of offsets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import Consumer, TopicPartition

from mainstem.kafka.clients import FETCH_WAIT_MS, consumer_of
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.partitions import PartitionReader, place_of
from mainstem.kafka.settings import KafkaSettings

HEARTBEAT_MS_MAX: Final = 1000
"""A member hears of another one by the answer to its heartbeat: this is how long it may take."""
METADATA_AGE_S: Final = 5
"""How soon a new topic that a pattern fits, or new partitions, are noticed."""


class Listener(Protocol):
    """Who knows the offsets, and must hear when partitions come and go."""

    def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Where each of them begins: the next offset to read."""
        ...

    def revoked(self, places: Sequence[Place], *, lost: bool) -> None:
        """They go to others after this; `lost`: they have gone already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """How a member behaves towards its group."""

    instance: str | None = None
    """Static membership (KIP-345): the same member again after a restart, without a rebalance."""
    session_timeout_s: float = 10.0
    """A member that is silent for this long loses its partitions to others."""
    poll_max_s: float = 300.0
    """As one that does not ask for a batch for this long."""


class GroupReader(PartitionReader):
    """One member of a consumer group; for one thread at a time.

    Raises UnknownTopic, the refusal `topic-recreated` where Kafka does not hold an offset, and
    ServerUnavailable; and whatever the listener raises. `close` leaves the group, and the listener
    hears of what is given up.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        group: str,
        listener: Listener,
        options: GroupOptions | None = None,
    ) -> None:
        """Join the group; the first partitions come with one of the next batches."""
        super().__init__(
            member(kafka, group, options or GroupOptions()), f"reading as a member of {group}"
        )
        self._listener = listener
        with kafka_errors(f"joining the group {group}"):
            self._consumer.subscribe(
                list(topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )

    def _on_assign(self, _consumer: Consumer, given: list[TopicPartition]) -> None:
        """Inside of poll: take partitions up where the listener says."""
        places = [place_of(each) for each in given]
        try:
            starts = self._listener.assigned(places) if places else {}
        except Exception as error:  # noqa: BLE001  # It comes out of batch(), behind librdkafka.
            self._raised = error
            return
        self._take_up({place: starts[place] for place in places})

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Inside of poll or close: give partitions up."""
        self._give_up(consumer, taken, lost=False)

    def _on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Inside of poll: they are others' already."""
        self._give_up(consumer, taken, lost=True)

    def _give_up(self, consumer: Consumer, taken: list[TopicPartition], *, lost: bool) -> None:
        places = [place_of(each) for each in taken]
        held = [place for place in places if place in self.reached]
        for place in held:
            del self.reached[place]
        try:
            if held:
                self._listener.revoked(held, lost=lost)
        except Exception as error:  # noqa: BLE001  # As in _on_assign.
            self._raised = error
        if held:
            consumer.incremental_unassign([TopicPartition(*place) for place in held])


def member(kafka: KafkaSettings, group: str, options: GroupOptions) -> Consumer:
    """A consumer of ours that joins a group."""
    more: dict[str, str | int] = {"group_instance_id": options.instance} if options.instance else {}
    return consumer_of(
        kafka,
        group,
        fetch_wait_ms=FETCH_WAIT_MS,
        partition_assignment_strategy="cooperative-sticky",
        session_timeout_ms=round(options.session_timeout_s * 1000),
        heartbeat_interval_ms=min(HEARTBEAT_MS_MAX, round(options.session_timeout_s * 1000 / 3)),
        max_poll_interval_ms=round(options.poll_max_s * 1000),
        topic_metadata_refresh_interval_ms=METADATA_AGE_S * 1000,
        **more,
    )
