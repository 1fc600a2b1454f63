"""What a client miscounts costs no event: partitions at their ends, a pause, and more events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from mainstem.event import Position
from mainstem.kafka import KafkaSettings
from mainstem.kafka import partitions as reading
from mainstem.kafka.delivered import Delivered, Place
from mainstem.kafka.partitions import HandReader
from mainstem.kafka.taking import COUNTS_RIGHT, take
from tests.kafka.measured import until
from tests.kafka.publisher import Publisher, created, record

pytestmark = pytest.mark.stack

PARTITIONS = 60
"""Their ends come at once, so that some of them come by `consume`."""


@pytest.fixture
def topic(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of many partitions."""
    with created(kafka, topic, PARTITIONS):
        yield topic


def publish(publisher: Publisher, topic: str, count: int) -> None:
    """So many events for each partition, in one transaction, which adds a marker to each."""
    with publisher.transaction() as transaction:
        for number in range(PARTITIONS * count):
            place = number % PARTITIONS
            transaction.publish(topic, record(number), number, Position(1, number), partition=place)


def read_after_a_pause(
    kafka: KafkaSettings, publisher: Publisher, topic: str
) -> list[tuple[int, int]]:
    """Pause all partitions at their ends, resume them behind more events, and read those."""
    publish(publisher, topic, 1)
    places = [Place(topic, number) for number in range(PARTITIONS)]
    with HandReader(kafka, [topic]) as reader:
        reader.take_up(dict.fromkeys(places, 0))
        until(lambda: reader.batch() is not None and set(reader.reached.values()) == {2})
        reader.pause(places)
        publish(publisher, topic, 2)
        reader.resume(places)
        later: list[list[Delivered]] = []
        while set(reader.reached.values()) != {5}:
            later.append(reader.batch())
    return sorted((each.partition, each.offset) for batch in later for each in batch)


@pytest.mark.parametrize("counts_right", sorted({False, COUNTS_RIGHT}))
def test_no_event_is_passed_over_by_a_pause(
    kafka: KafkaSettings,
    topic: str,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    *,
    counts_right: bool,
) -> None:
    """Read as the client at hand allows, and as older ones do, which must be right with all."""
    monkeypatch.setattr(reading, "take", partial(take, counts_right=counts_right))

    read = read_after_a_pause(kafka, publisher, topic)

    assert read == [(place, offset) for place in range(PARTITIONS) for offset in (2, 3)]


@pytest.mark.skipif(COUNTS_RIGHT, reason="this client counts right")
def test_a_client_that_is_trusted_wrongly_passes_over_events(
    kafka: KafkaSettings, topic: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the guard the test above fails: events of some partitions do not come."""
    monkeypatch.setattr(reading, "take", partial(take, counts_right=True))

    read = read_after_a_pause(kafka, publisher, topic)

    assert len(read) < 2 * PARTITIONS
