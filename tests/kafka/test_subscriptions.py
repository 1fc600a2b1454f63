"""Subscriptions without a group, and what both kinds can: pause, seek, stop, patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError, MainstemError, Refusal, SchemaNotFound, UnknownTopic
from mainstem.event import Event, Position
from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore, KafkaSettings
from mainstem.kafka.delivered import Place
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import Wire
from tests.kafka.measured import Measured, measured, spread, taken, until, values
from tests.kafka.publisher import Publisher, created, delete_topic

pytestmark = pytest.mark.stack

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def one_partition(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of a single partition."""
    with created(kafka, topic, 1):
        yield topic


def hours(count: int) -> list[Event[Measured]]:
    """Events that happened one hour after another."""
    return [
        Event(uuid4(), Measured(value=str(n)), BEGAN + timedelta(hours=n)) for n in range(count)
    ]


def made_again(log: KafkaEventStore, topic: str) -> bool:
    """Create the topic; not, as long as the broker still deletes the former one."""
    try:
        return log.create_topic(topic, partitions=1)
    except MainstemError:
        return False


def test_a_pattern_takes_the_topics_that_it_fits(
    kafka: KafkaSettings, log: KafkaEventStore
) -> None:
    """Two topics of three fit: their events come, and offsets by place."""
    name = f"p{uuid4().hex[:8]}"
    topics = [f"{name}_a_events", f"{name}_b_events", f"other_{name}_events"]
    with created(kafka, topics[0]), created(kafka, topics[1]), created(kafka, topics[2]):
        for topic in topics:
            log.save(topic, Event(uuid4(), Measured(value=topic)))
        with log.subscribe(f"^{name}_.*_events$") as subscription:
            events = taken(subscription, 2)
            places = subscription.places

    assert sorted(values(events)) == topics[:2]
    assert places == {Place(topic, n) for topic in topics[:2] for n in range(2)}


def test_offsets_can_be_given_by_an_object(one_partition: str, log: KafkaEventStore) -> None:
    """The caller's store knows how far it came; its batch tells what to store next."""

    class Kept:
        """The caller's table."""

        def load(self, places: Sequence[Place]) -> Mapping[Place, int]:
            """Behind the second event."""
            return dict.fromkeys(places, 2)

    log.save_many(one_partition, measured(3))
    with log.subscribe(one_partition, offsets=Kept()) as subscription:
        batch = next(subscription)

    assert values(batch) == ["secret-2"]
    assert batch.offsets == {Place(one_partition, 0): 3}


def test_reading_begins_at_a_time(one_partition: str, log: KafkaEventStore) -> None:
    """Between two events the later one is first; after all of them what is saved next."""
    log.save_many(one_partition, hours(5))
    with log.subscribe(one_partition, start=BEGAN + timedelta(hours=2.5)) as subscription:
        later = taken(subscription, 2)
    with log.subscribe(one_partition, start=BEGAN + timedelta(days=1)) as subscription:
        subscription.stop()
        nothing = list(subscription)

    assert values(later) == ["3", "4"]
    assert nothing == []


def test_reading_begins_at_a_position(
    one_partition: str, log: KafkaEventStore, shared_registry: MemoryRegistry, publisher: Publisher
) -> None:
    """Sixty transactions with markers between them, and events without a position among them."""
    wire = Wire(shared_registry)
    for number, event in enumerate(hours(60)):
        with publisher.transaction():
            position = Position(1000 + number * 10, 0)
            publisher.publish(one_partition, wire.pack(event), number + 1, position)
        if number % 20 == 0:
            log.save(one_partition, Event(uuid4(), Measured(value="straight")))
    firsts = []
    for lsn in (0, 1000, 1001, 1395, 1590, 1591):
        with log.subscribe(one_partition, start=Position(lsn, 0)) as subscription:
            log.save(one_partition, Event(uuid4(), Measured(value=f"after-{lsn}")))
            events = taken(subscription, 1)
            while not any(value == f"after-{lsn}" for value in values(events)):
                events += next(subscription)
            firsts.append(next(event.id for event in events if event.position) if lsn < 1591 else 0)

    assert firsts == [1, 1, 2, 41, 60, 0]


def test_seeking_goes_on_elsewhere(one_partition: str, log: KafkaEventStore) -> None:
    """Back by offset, forward by time; what was fetched ahead does not come in between."""
    log.save_many(one_partition, hours(10))
    place = Place(one_partition, 0)
    with log.subscribe(one_partition) as subscription:
        all_of_them = taken(subscription, 10)
        subscription.seek(offsets={place: 8})
        back = taken(subscription, 2)
        subscription.seek(time=BEGAN + timedelta(hours=9))
        forward = taken(subscription, 1)

    assert values(all_of_them) == [str(n) for n in range(10)]
    assert (values(back), values(forward)) == (["8", "9"], ["9"])


def test_a_paused_partition_rests_until_it_is_resumed(
    two_partitions: str, log: KafkaEventStore
) -> None:
    """Pause one of two, save to both: only the other's come; after resuming, all that rested."""
    first = log.save_many(two_partitions, spread(50))
    with log.subscribe(two_partitions) as subscription:
        taken(subscription, len(first))
        subscription.pause([Place(two_partitions, 0)])
        more = log.save_many(two_partitions, spread(50))
        others = taken(subscription, sum(event.partition == 1 for event in more))
        subscription.resume()
        rested = taken(subscription, len(more) - len(others))

    assert {event.partition for event in others} == {1}
    assert {event.partition for event in rested} == {0}
    assert [(s.partition, s.offset) for s in rested] == sorted(
        (s.partition, s.offset) for s in more if s.partition == 0
    )


def test_an_event_that_cannot_be_read_is_passed_by_seeking_only(
    one_partition: str, log: KafkaEventStore, publisher: Publisher, shared_registry: MemoryRegistry
) -> None:
    """Good, bad, good: the error stays, and seeking behind it goes on."""
    good, bad, later = (Wire(shared_registry).pack(event) for event in hours(3))
    with publisher.transaction():
        publisher.publish(one_partition, good, 1, Position(1, 0))
        publisher.publish(one_partition, bad._replace(data=b"\x00nothing"), 2, Position(2, 0))
        publisher.publish(one_partition, later, 3, Position(3, 0))
    with log.subscribe(one_partition) as subscription:
        first = next(subscription)
        for _ in range(2):
            with pytest.raises(SchemaNotFound, match=r"\[0\]@1 \(id 2\)"):
                next(subscription)
        subscription.seek(offsets={Place(one_partition, 0): 2})
        after = next(subscription)

    assert (values(first), values(after)) == (["0"], ["2"])


def test_a_lost_offset_is_an_error_and_never_a_reset(
    one_partition: str, log: KafkaEventStore
) -> None:
    """Begin behind the end: it is refused, again and again."""
    log.save_many(one_partition, measured(2))
    with log.subscribe(one_partition, offsets={0: 500}) as subscription:
        for _ in range(2):
            with pytest.raises(Refusal) as caught:
                next(subscription)

    assert caught.value.name == "topic-recreated"
    assert "500" in caught.value.message


def test_a_topic_that_is_deleted_meanwhile_is_named(
    kafka: KafkaSettings,
    one_partition: str,
    log: KafkaEventStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Delete it under a reader: it does not wait for ever."""
    monkeypatch.setattr("mainstem.kafka.course.WATCH_S", 0.2)
    log.save_many(one_partition, measured(1))
    with log.subscribe(one_partition) as subscription:
        taken(subscription, 1)
        delete_topic(kafka, one_partition)
        with pytest.raises(UnknownTopic, match=one_partition):
            next(subscription)


def test_another_topic_of_the_same_name_is_refused(
    kafka: KafkaSettings,
    one_partition: str,
    log: KafkaEventStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Delete it and create it again under a reader that is paused, so that no fetch fails."""
    monkeypatch.setattr("mainstem.kafka.course.WATCH_S", 0.2)
    log.save_many(one_partition, measured(1))
    with log.subscribe(one_partition) as subscription:
        taken(subscription, 1)
        subscription.pause()
        delete_topic(kafka, one_partition)
        until(lambda: made_again(log, one_partition))
        with pytest.raises(Refusal) as caught:
            next(subscription)

    assert caught.value.name == "topic-recreated"


@pytest.mark.parametrize(
    "wrong",
    [
        {"topics": []},
        {"topics": "a", "offsets": "kafka"},
        {"topics": "a", "offsets": "postgres", "group": "g"},
        {"topics": ["a", "b"], "offsets": {0: 1}},
        {"topics": "a", "group": "g", "until": {0: 1}},
    ],
    ids=["no-topic", "no-group", "keeper", "partitions", "until"],
)
def test_what_cannot_be_carried_out_is_refused(
    log: KafkaEventStore, wrong: dict[str, object]
) -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigurationError):
        log.subscribe(**wrong)  # type: ignore[arg-type]  # That is the point.


async def test_the_async_face_pauses_seeks_and_stops(
    kafka: KafkaSettings, one_partition: str, shared_registry: MemoryRegistry
) -> None:
    """A wait that was cancelled after its batch came loses nothing, whatever is asked then."""
    async with AsyncKafkaEventStore.open(
        kafka, registry=shared_registry, types=[Measured]
    ) as store:
        await store.save_many(one_partition, hours(4))
        async with asyncio.timeout(20), store.subscribe(one_partition) as subscription:
            waiting = asyncio.ensure_future(anext(subscription))
            await asyncio.wait([waiting], timeout=0)
            waiting.cancel()
            await asyncio.wait([waiting])
            await subscription.pause()
            await subscription.resume()
            first = await anext(subscription)
            await subscription.seek(offsets={Place(one_partition, 0): 3})
            last = await anext(subscription)
            subscription.stop()
            end = [batch async for batch in subscription]

    assert values(first) == ["0", "1", "2", "3"]
    assert (values(last), end) == (["3"], [])
