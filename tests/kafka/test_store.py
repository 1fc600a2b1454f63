"""AsyncKafkaEventStore: stored events in batches, nothing skipped, nothing left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from mainstem.errors import DecodeError
from mainstem.event import Event, GenericPayload, Position, StoredEvent
from mainstem.kafka import AsyncKafkaEventStore, KafkaSettings
from mainstem.kafka.consumer import end_offsets
from mainstem.kafka.records import message_of
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import event_type
from mainstem.wire import Wire
from tests.kafka.publisher import Publisher, created

pytestmark = pytest.mark.stack

DEADLINE_S = 20.0


@event_type("com.example.reading")
@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A payload of the tests."""

    value: str


@pytest.fixture
def topic(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of two partitions."""
    with created(kafka, topic):
        yield topic


@pytest.fixture
def registry() -> MemoryRegistry:
    """A registry that writer and reader share."""
    return MemoryRegistry()


@pytest.fixture
def wire(registry: MemoryRegistry) -> Wire:
    """The writer's wire."""
    return Wire(registry)


def some_events(count: int, key: UUID | None = None) -> list[Event[Measured]]:
    """Events of one key, so that they share a partition."""
    shared = key or uuid4()
    return [
        Event(shared, Measured(value=f"secret-{n}"), metadata={"n": b"%d" % n})
        for n in range(count)
    ]


def publish(publisher: Publisher, topic: str, wire: Wire, events: list[Event[Measured]]) -> None:
    """Commit the events in one transaction, with ids from 1."""
    with publisher.transaction():
        for number, event in enumerate(events):
            publisher.publish(topic, wire.pack(event), number + 1, Position(7000, number))


async def collected(
    store: AsyncKafkaEventStore, topic: str, until: dict[int, int]
) -> list[StoredEvent[Measured]]:
    """All events up to these offsets."""
    async with asyncio.timeout(DEADLINE_S):
        return [event async for batch in store.subscribe(topic, until=until) for event in batch]


async def test_events_come_back_as_they_were_saved(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """Key, payload, timestamp, metadata, id and place: publish three and collect them."""
    events = some_events(3)
    publish(publisher, topic, wire, events)
    async with AsyncKafkaEventStore.open(kafka, registry=registry, types=[Measured]) as store:
        stored = await collected(store, topic, end_offsets(kafka, topic))

    assert [Event(s.key, s.payload, s.timestamp, s.metadata) for s in stored] == events
    assert [(s.id, s.position, s.offset) for s in stored] == [
        (number + 1, Position(7000, number), number) for number in range(3)
    ]
    assert {s.topic for s in stored} == {topic}


async def test_a_payload_of_a_class_not_named_is_generic(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """Without `types` the fields come under the Avro full name; the address may be plain text."""
    publish(publisher, topic, wire, some_events(1))
    async with AsyncKafkaEventStore.open(kafka.bootstrap, registry=registry) as store:
        (stored,) = await collected(store, topic, end_offsets(kafka, topic))

    payload: object = stored.payload

    assert payload == GenericPayload("com.example.reading.Measured", {"value": "secret-0"})


async def test_events_arrive_while_one_waits(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """A wait that began before the commit ends with it; a cancelled wait loses nothing."""
    async with AsyncKafkaEventStore.open(kafka, registry=registry, types=[Measured]) as store:
        subscription = store.subscribe(topic)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(subscription)
        publish(publisher, topic, wire, some_events(2))
        async with asyncio.timeout(DEADLINE_S):
            batch = await anext(subscription)

    assert [stored.id for stored in batch] == [1, 2]


async def test_a_subscription_starts_at_given_offsets(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """Behind the second event only the third is left."""
    publish(publisher, topic, wire, some_events(3))
    ends = end_offsets(kafka, topic)
    partition = max(ends, key=lambda each: ends[each])
    async with AsyncKafkaEventStore.open(kafka, registry=registry) as store:
        subscription = store.subscribe(topic, offsets={partition: 2}, until=ends)
        async with asyncio.timeout(DEADLINE_S):
            ids = [stored.id async for batch in subscription for stored in batch]

    assert ids == [3]


async def test_an_event_that_cannot_be_decoded_is_named_and_never_skipped(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """Good, bad, good: the first arrives, then the same error each time, without the payload."""
    good, bad, later = (wire.pack(event) for event in some_events(3))
    with publisher.transaction():
        publisher.publish(topic, good, 1, Position(1, 0))
        publisher.publish(topic, bad._replace(data=bad.data[:5] + b"\x80secret"), 2, Position(1, 1))
        publisher.publish(topic, later, 3, Position(1, 2))
    async with AsyncKafkaEventStore.open(kafka, registry=registry) as store:
        subscription = store.subscribe(topic, until=end_offsets(kafka, topic))
        async with asyncio.timeout(DEADLINE_S):
            first = await anext(subscription)
            with pytest.raises(DecodeError) as caught:
                await anext(subscription)
            with pytest.raises(DecodeError):
                await anext(subscription)

    assert [stored.id for stored in first] == [1]
    assert f"{topic}[" in caught.value.message
    assert "]@1 (id 2)" in caught.value.message
    assert "secret" not in caught.value.message


async def test_events_of_the_java_original_are_readable(
    kafka: KafkaSettings, topic: str, publisher: Publisher, wire: Wire, registry: MemoryRegistry
) -> None:
    """Headers `id` and `lsn` but no `ordinal`: an event without a position."""
    (event,) = some_events(1)
    message = message_of(wire.pack(event), 4, b"0/9", 0)
    headers = [each for each in message.headers if each[0] != "ordinal"]
    with publisher.transaction():
        publisher.publish_raw(topic, message._replace(headers=headers))
    async with AsyncKafkaEventStore.open(kafka, registry=registry, types=[Measured]) as store:
        (stored,) = await collected(store, topic, end_offsets(kafka, topic))

    assert (stored.id, stored.position, stored.payload) == (4, None, event.payload)


async def test_leaving_the_store_ends_its_threads(
    kafka: KafkaSettings, topic: str, registry: MemoryRegistry
) -> None:
    """One subscription that waits, one never used: no thread is left, iteration ends."""
    async with AsyncKafkaEventStore.open(kafka, registry=registry) as store:
        waiting, unused = store.subscribe(topic), store.subscribe(topic)
        wait = asyncio.ensure_future(anext(waiting, None))
        await asyncio.wait([wait], timeout=0.2)
    names = [thread.name for thread in threading.enumerate()]

    assert await wait is None
    assert await anext(unused, None) is None
    assert not [name for name in names if topic in name]
