"""Saving straight to Kafka: the bytes are the replicator's, and what is wrong is refused first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

import mainstem
from mainstem.errors import (
    EventRefused,
    Refusal,
    ReservedMetadataName,
    ServerUnavailable,
    UnknownTopic,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import NO_ROW, Event
from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore, KafkaSettings
from mainstem.kafka.partitioner import home_partition
from mainstem.kafka.records import message_of
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import Wire
from tests.kafka.measured import Measured, delivered, measured, spread

pytestmark = pytest.mark.stack

PLACE_HEADERS = {"id", "lsn", "ordinal"}


def test_what_is_saved_is_what_the_replicator_would_publish(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore, shared_registry: MemoryRegistry
) -> None:
    """Key, value, time, headers in their order, partition: save, and compare with `message_of`."""
    metadata = {"z": b"1", "\U0001f600": b"2", "\ue000": b"3", "a": b""}
    moment = datetime(2026, 3, 4, 5, 6, 7, 890_000, UTC)
    event = Event(uuid4(), Measured(value="x"), moment, metadata)
    stored = log.save(two_partitions, event)
    (message,) = delivered(kafka, two_partitions)
    expected = message_of(Wire(shared_registry).pack(event), 7, b"0/1", 0)

    assert message.headers == [each for each in expected.headers if each[0] not in PLACE_HEADERS]
    assert (message.key, message.value, message.timestamp_ms) == expected[:3]
    assert message.partition == home_partition(expected.key, 2)
    assert (stored.partition, stored.offset) == (message.partition, message.offset)
    assert (stored.id, stored.position, stored.topic) == (NO_ROW, None, two_partitions)
    assert Event(stored.key, stored.payload, stored.timestamp, stored.metadata) == event


def test_many_come_back_in_their_order_and_can_be_read(
    two_partitions: str, log: KafkaEventStore
) -> None:
    """Save 2,000 of many keys, and read them: each is where the save said it is."""
    stored = log.save_many(two_partitions, spread(2000))
    ends = {n: 1 + max(s.offset or 0 for s in stored if s.partition == n) for n in range(2)}
    read = [event for batch in log.subscribe(two_partitions, until=ends) for event in batch]

    assert [event.payload.value for event in stored] == [str(n) for n in range(2000)]
    assert {(s.partition, s.offset): s for s in stored} == {
        (s.partition, s.offset): s for s in read
    }


def test_nothing_is_saved_of_no_events(two_partitions: str, log: KafkaEventStore) -> None:
    """An empty list is no reason to wait."""
    assert log.save_many(two_partitions, []) == []


def test_carried_metadata_goes_along(two_partitions: str, log: KafkaEventStore) -> None:
    """What a block of `mainstem.metadata` says is in the event."""
    with mainstem.metadata(actor="ada"):
        stored = log.save(two_partitions, Event(uuid4(), Measured(value="x")))

    assert stored.metadata == {"actor": b"ada"}


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Event(uuid4(), Measured(value="x"), metadata={"lsn": b"1"}), ReservedMetadataName),
        (Event(uuid4(), Measured(value="x"), datetime(1969, 1, 1, tzinfo=UTC)), ValueOutOfRange),
        (Event("text", Measured(value="x")), WrongKeyType),
        ("no event", EventRefused),
    ],
    ids=["reserved", "before-1970", "key", "no-event"],
)
def test_an_unfit_event_is_refused_before_any_is_sent(
    kafka: KafkaSettings,
    two_partitions: str,
    log: KafkaEventStore,
    event: Any,
    error: type[EventRefused],
) -> None:
    """A good one and a bad one in one call: the topic stays empty."""
    with pytest.raises(error):
        log.save_many(two_partitions, [*measured(1), event])

    assert delivered(kafka, two_partitions) == []


def test_a_topic_that_is_not_there_is_not_made_up(log: KafkaEventStore) -> None:
    """The broker would create it; the store says that it does not exist."""
    with pytest.raises(UnknownTopic):
        log.save("never_created_events", *measured(1))


def test_what_kafka_never_takes_is_a_refusal_and_the_next_save_goes_on(
    two_partitions: str, log: KafkaEventStore
) -> None:
    """An event above the broker's limit, then a small one."""
    with pytest.raises(Refusal) as caught:
        log.save(two_partitions, Event(uuid4(), Measured(value="x" * 2_000_000)))
    stored = log.save(two_partitions, *measured(1))

    assert caught.value.name == "message-too-large"
    assert stored.offset == 0


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there; wait half a second only."""
    monkeypatch.setattr("mainstem.kafka.outlet.REQUEST_TIMEOUT_S", 0.5)
    with (
        KafkaEventStore.open("127.0.0.1:1", registry=MemoryRegistry()) as store,
        pytest.raises(ServerUnavailable),
    ):
        store.save("any_events", *measured(1))


async def test_tasks_save_at_the_same_time(
    kafka: KafkaSettings, two_partitions: str, shared_registry: MemoryRegistry
) -> None:
    """The async face: 200 saves of as many tasks, each at a place of its own."""
    async with AsyncKafkaEventStore.open(kafka, registry=shared_registry) as store:
        saves = [store.save(two_partitions, event) for event in spread(200)]
        stored = await asyncio.gather(*saves)
        (more,) = await store.save_many(two_partitions, measured(1))

    assert len({(s.partition, s.offset) for s in [*stored, more]}) == 201
