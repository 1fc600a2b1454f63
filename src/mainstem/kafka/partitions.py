"""Reading partitions, of one topic or several, each from its own offset.

Theory of operation. One librdkafka consumer, for one thread. What is read of a partition is what
is committed in Kafka. There is no reset: an offset that Kafka does not hold (any more) is an error.
librdkafka prefetches into a queue bounded by bytes, which is all the back-pressure there needs to
be: who does not ask for a batch stops the fetching. A partition's place is `reached`: one past the
last offset that was handed out, or where the broker reported the end. Partitions are taken up and
given up one by one, so the same reader serves those that are given by hand and those that a group
hands out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mainstem.errors import ConfigurationError, MainstemError
from mainstem.kafka.clients import (
    ABSENT,
    FETCH_WAIT_MS,
    OUT_OF_RANGE,
    POLL_S,
    REQUEST_TIMEOUT_S,
    as_bytes,
    consumer_of,
    partition_count,
    unknown,
)
from mainstem.kafka.delivered import Delivered, Headers, Place
from mainstem.kafka.failures import failure, kafka_errors, superseded
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.taking import is_end, message_place, put_back, take
from mainstem.refusals import refusal

PATTERN: Final = "^"
"""What a name begins with that is a pattern."""
INTERNAL: Final = "__"
"""What the names of Kafka's own topics begin with."""
SHARED_OUT: Final = frozenset(
    {
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)
"""What a group answers whose partitions are, or were, being shared out among other members."""


class Kept(NamedTuple):
    """A next offset that a group keeps in Kafka, with what was noted beside it."""

    offset: int
    note: str


class PartitionReader:
    """Reads the partitions that are at hand; for one thread at a time.

    Raises UnknownTopic, the refusal `topic-recreated` where Kafka does not hold an offset, and
    ServerUnavailable. After an error some messages may not have been handed out: make a new one.
    """

    def __init__(self, consumer: Consumer, doing: str) -> None:
        """Read with this consumer; no partition is at hand yet. Errors say what it was `doing`."""
        self._consumer = consumer
        self._doing = doing
        self._raised: Exception | None = None
        self.reached: dict[Place, int] = {}
        """Of each partition at hand: one past the last that was handed out, or the end."""

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def places(self) -> frozenset[Place]:
        """The partitions at hand."""
        return frozenset(self.reached)

    def batch(self, wait_s: float = POLL_S) -> list[Delivered]:
        """The messages that are there, after at most `wait_s`; empty where none came."""
        return [delivered for _, run in self.runs(wait_s) for delivered in run]

    def runs(self, wait_s: float = POLL_S) -> list[tuple[Place, list[Delivered]]]:
        """As `batch`, each run of messages of one partition by itself."""
        with kafka_errors(self._doing):
            taken = take(self._consumer, wait_s)
        if (error := self._raised) is not None:
            self._raised = None
            raise error
        runs = self._sorted_out(taken.messages)
        with kafka_errors(self._doing):
            for place in taken.miscounted & self.reached.keys():
                put_back(self._consumer, place, self.reached[place])
        return runs

    def pause(self, places: Iterable[Place]) -> None:
        """Fetch no more of these, until they are resumed or given up."""
        with kafka_errors("pausing partitions"):
            self._consumer.pause([TopicPartition(*place) for place in places])

    def resume(self, places: Iterable[Place]) -> None:
        """Fetch these again."""
        with kafka_errors("resuming partitions"):
            self._consumer.resume([TopicPartition(*place) for place in places])

    def seek(self, place: Place, offset: int) -> None:
        """Go on from this offset, in a partition that is at hand."""
        there = TopicPartition(place.topic, place.partition, offset)
        with kafka_errors(f"seeking {place}"):
            # seek() waits for the fetcher; taking the partition up anew does not, and it drops
            # what was fetched before.
            self._consumer.incremental_unassign([there])
            self._consumer.incremental_assign([there])
        self.reached[place] = offset

    def commit(self, offsets: Mapping[Place, int], notes: Mapping[str, str] | None = None) -> bool:
        """Keep these next offsets in Kafka, for the group, with a note for each topic.

        False while the group is shared out anew: nothing was kept, the next batches tell more.
        """
        noted = notes or {}
        asked = [
            TopicPartition(*place, offset, noted.get(place.topic))
            for place, offset in offsets.items()
        ]
        try:
            answers = self._consumer.commit(offsets=asked, asynchronous=False)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() in SHARED_OUT:
                return False
            raise failure(cause, "committing offsets") from error
        for each in answers:
            if each.error is not None:
                if each.error.code() in SHARED_OUT:
                    return False
                raise failure(each.error, f"committing the offset of {place_of(each)}")
        return True

    def committed(self, places: Iterable[Place]) -> dict[Place, Kept]:
        """What the group keeps in Kafka of these; those of which it keeps nothing are left out."""
        asked = [TopicPartition(*place) for place in places]
        with kafka_errors("asking for committed offsets"):
            answers = self._consumer.committed(asked, REQUEST_TIMEOUT_S)
        kept = {}
        for each in answers:
            if each.error is not None:
                raise failure(each.error, f"asking for the offset of {place_of(each)}")
            if each.offset >= 0:
                kept[place_of(each)] = Kept(each.offset, each.metadata or "")
        return kept

    def close(self) -> None:
        """Leave Kafka; closing twice does no harm."""
        self._consumer.close()
        self.reached.clear()

    def _take_up(self, starts: Mapping[Place, int]) -> None:
        """Begin these partitions at these offsets."""
        self.reached.update({place: max(0, offset) for place, offset in starts.items()})
        self._consumer.incremental_assign(
            [TopicPartition(*place, offset) for place, offset in starts.items()]
        )

    def _sorted_out(self, messages: list[Message]) -> list[tuple[Place, list[Delivered]]]:
        """The messages of partitions that are at hand; ends of partitions are noted."""
        runs: list[tuple[Place, list[Delivered]]] = []
        topic, partition = "", -1
        run: list[Delivered] = []
        for message in messages:
            if (error := message.error()) is not None:
                self._note(error, message)
                continue
            if message.partition() != partition or message.topic() != topic:
                topic, partition = cast("str", message.topic()), cast("int", message.partition())
                run = []
                if (place := Place(topic, partition)) in self.reached:
                    runs.append((place, run))
            run.append(delivered(message, topic, partition))
        for place, some in runs:
            self.reached[place] = max(self.reached[place], some[-1].offset + 1)
        return runs

    def _note(self, error: KafkaError, message: Message) -> None:
        place = message_place(message)
        if is_end(message):
            if place in self.reached:
                self.reached[place] = max(self.reached[place], message.offset() or 0)
        elif error.code() in OUT_OF_RANGE:
            if place in self.reached:
                raise refusal(
                    "topic-recreated",
                    f"{place} does not hold offset {self.reached[place]} (any more)",
                )
        elif error.code() in ABSENT:
            raise unknown(place.topic)
        else:
            self._note_of_membership(error)

    def _note_of_membership(self, error: KafkaError) -> None:
        """What concerns the consumer as a whole."""
        if error.code() == KafkaError._FATAL:  # noqa: SLF001 - the same
            # What is fatal to a consumer is to be fenced, and the true code is in the text alone.
            raise superseded()
        # Partitions that were lost by polling too late: the listener hears, and it joins anew.
        late = error.code() == KafkaError._MAX_POLL_EXCEEDED  # noqa: SLF001 - the same
        if not late and not error.retriable():
            raise failure(error, self._doing)


class HandReader(PartitionReader):
    """Reads all partitions of some topics, given by hand: no group, nothing shared."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        *,
        fetch_wait_ms: int = FETCH_WAIT_MS,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """Look up which partitions there are; UnknownTopic. None is at hand before `take_up`."""
        consumer = consumer_of(kafka, fetch_wait_ms=fetch_wait_ms)
        super().__init__(consumer, f"reading {', '.join(topics)}")
        self._request_timeout_s = request_timeout_s
        try:
            self.known = self._partitions(topics)
        except MainstemError:
            self.close()
            raise

    def take_up(self, starts: Mapping[Place, int]) -> None:
        """Begin these partitions here; ConfigurationError where there is no such partition."""
        if strange := sorted(set(starts) - set(self.known)):
            raise ConfigurationError(
                f"offsets name {strange[0]}, which does not exist; there are"
                f" {len(self.known)} partitions"
            )
        with kafka_errors(self._doing):
            self._take_up(starts)

    def _partitions(self, topics: Sequence[str]) -> list[Place]:
        """All partitions of these topics; a pattern may fit none."""
        names = set()
        for topic in topics:
            names.update(self._fitting(topic) if topic.startswith(PATTERN) else [topic])
        return [
            Place(name, partition)
            for name in sorted(names)
            for partition in range(partition_count(self._consumer, name, self._request_timeout_s))
        ]

    def _fitting(self, pattern: str) -> list[str]:
        """The topics that the pattern fits."""
        with kafka_errors("listing topics"):
            known = self._consumer.list_topics(timeout=self._request_timeout_s).topics
        fits = re.compile(pattern).search
        return [name for name in known if fits(name) and not name.startswith(INTERNAL)]


def delivered(message: Message, topic: str, partition: int) -> Delivered:
    """The message as a value."""
    return Delivered(
        topic,
        partition,
        cast("int", message.offset()),
        as_bytes(message.key()),
        as_bytes(message.value()),
        message.timestamp()[1],
        cast("Headers", message.headers()),
    )


def place_of(each: TopicPartition) -> Place:
    """The partition that librdkafka speaks of."""
    return Place(each.topic, each.partition)
