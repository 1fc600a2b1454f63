"""Reading a topic back: what is committed, all of it, from where and up to where it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest

from mainstem.errors import ConfigurationError, Refusal, ServerUnavailable, UnknownTopic
from mainstem.event import Position
from mainstem.kafka import KafkaSettings
from mainstem.kafka.consumer import (
    TopicReader,
    end_offsets,
    read,
    visible_end_offsets,
)
from mainstem.kafka.partitioner import home_partition
from tests.kafka.publisher import Publisher, created, record

pytestmark = pytest.mark.stack

PARTITIONS = 2


@pytest.fixture
def topic(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of two partitions."""
    with created(kafka, topic):
        yield topic


def publish(publisher: Publisher, topic: str, *ids: int) -> None:
    """Commit these events in one transaction, on partition 0."""
    with publisher.transaction():
        stage(publisher, topic, *ids)


def stage(publisher: Publisher, topic: str, *ids: int) -> None:
    """Put these events into the log within the transaction that is open."""
    for row_id in ids:
        position = Position(1000 + row_id, 0)
        publisher.publish(topic, record(row_id), row_id, position, partition=0)
    publisher.flush()


def ids_up_to_end(
    kafka: KafkaSettings, topic: str, offsets: dict[int, int] | None = None
) -> list[int | None]:
    """The ids of all events up to the end of the log."""
    until = end_offsets(kafka, topic)
    return [each.record()[1] for each in chain(*read(kafka, topic, offsets, until))]


def test_a_message_arrives_as_it_was_published(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Record, id, position and place: publish one with metadata, and read it."""
    sent = record(3)
    with publisher.transaction():
        publisher.publish(topic, sent, 3, Position(0x2A1DC28, 5))
    (delivered,) = chain(*read(kafka, topic, until=end_offsets(kafka, topic)))

    assert delivered.record() == (sent, 3, Position(0x2A1DC28, 5))
    assert delivered.offset == 0
    assert delivered.partition == home_partition(sent.key, PARTITIONS)
    assert delivered.place == f"{topic}[{delivered.partition}]@0"


def test_an_aborted_transaction_is_invisible(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Aborted events in the middle and at the end, where they hide the end from a counter."""
    publish(publisher, topic, 1, 2)
    with publisher.aborted():
        stage(publisher, topic, 8)
    publish(publisher, topic, 3)
    with publisher.aborted():
        stage(publisher, topic, 9)

    assert ids_up_to_end(kafka, topic) == [1, 2, 3]


def test_an_open_transaction_hides_what_committed_after_it(
    kafka: KafkaSettings, topic: str, publisher: Publisher, other_publisher: Publisher
) -> None:
    """A read_committed end lies below the log's end; reading to the latter waits and gets all."""
    other_publisher.begin()
    stage(other_publisher, topic, 1)
    publish(publisher, topic, 2)
    ends, visible = end_offsets(kafka, topic), visible_end_offsets(kafka, topic)
    with TopicReader(kafka, topic) as reader:
        before = list(chain(*reader.batches(ends, still_s=0.5)))
        other_publisher.commit()
        after = list(chain(*reader.batches(ends, still_s=20.0)))

    assert (visible[0], ends[0]) == (0, 3)
    assert before == []
    assert [each.record()[1] for each in after] == [1, 2]


def test_reading_goes_on_from_given_offsets(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Resuming behind the last event seen gives the next one: nothing twice, nothing left out."""
    publish(publisher, topic, 1, 2)
    first = list(chain(*read(kafka, topic, until=end_offsets(kafka, topic))))
    publish(publisher, topic, 3, 4)

    assert ids_up_to_end(kafka, topic, {0: first[-1].offset + 1}) == [3, 4]
    assert ids_up_to_end(kafka, topic, {0: 1, 1: 0}) == [2, 3, 4]


def test_reading_ends_before_the_bound(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Events beyond `until` are not given, though they are in the same batch."""
    publish(publisher, topic, 1, 2, 3, 4)
    delivered = chain(*read(kafka, topic, until={0: 2}))

    assert [each.record()[1] for each in delivered] == [1, 2]


def test_a_topic_that_kafka_does_not_have_is_named(kafka: KafkaSettings) -> None:
    """UnknownTopic with a hint, and no topic is created by asking."""
    with pytest.raises(UnknownTopic, match="no_such_events") as caught:
        TopicReader(kafka, "no_such_events")

    assert "mainstem replicate" in caught.value.hint


def test_offsets_of_a_partition_that_does_not_exist_are_refused(
    kafka: KafkaSettings, topic: str
) -> None:
    """A typing error in offsets must not read as `from the beginning`."""
    with pytest.raises(ConfigurationError, match=r"partitions \[7\]"):
        TopicReader(kafka, topic, {7: 0})


def test_an_offset_that_kafka_does_not_hold_stops_the_reading(
    kafka: KafkaSettings, topic: str, publisher: Publisher
) -> None:
    """Offsets of an earlier topic of the name: refused, never reset to an end silently."""
    publish(publisher, topic, 1)
    with TopicReader(kafka, topic, {0: 500}) as reader, pytest.raises(Refusal) as caught:
        list(reader.batches({0: 600}, still_s=20.0))

    assert caught.value.name == "topic-recreated"
    assert "500" in caught.value.message


def test_a_kafka_that_is_away_is_unavailable() -> None:
    """An address where nothing listens: a bounded wait, then an error to try again later."""
    with pytest.raises(ServerUnavailable):
        TopicReader(KafkaSettings("127.0.0.1:1"), "any_events", request_timeout_s=0.5)
