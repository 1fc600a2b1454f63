"""Transactions of the Kafka stores: all or none, and an older producer of the id is fenced."""

from __future__ import annotations

from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError, OutcomeUnknown, Refusal, ServerUnavailable
from mainstem.event import Event
from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore, KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from tests.kafka.measured import Measured, delivered, measured, spread

pytestmark = pytest.mark.stack


class Stopped(Exception):
    """What the application raises in the middle."""


def test_a_transaction_is_visible_at_its_end_and_not_before(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore
) -> None:
    """Two saves, looked for inside of the block and after it; places are known at once."""
    with log.transaction() as tx:
        first = tx.save(two_partitions, *measured(1))
        more = tx.save_many(two_partitions, spread(20))
        inside = log.subscribe(two_partitions, start="latest").places
        with KafkaEventStore.open(kafka, registry=MemoryRegistry()) as other:
            hidden = other.save(two_partitions, Event(first.key, Measured(value="later")))
    found = {(each.partition, each.offset) for each in delivered(kafka, two_partitions)}

    assert not inside
    assert {(each.partition, each.offset) for each in [first, *more, hidden]} == found


def test_an_exception_gives_everything_up_and_the_next_transaction_goes_on(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore
) -> None:
    """The application raises after a save; then a transaction of the same store goes well."""
    with pytest.raises(Stopped), log.transaction("shop-1") as tx:  # noqa: PT012  # In its middle.
        tx.save(two_partitions, Event(uuid4(), Measured(value="gone")))
        raise Stopped
    with log.transaction("shop-1") as tx:
        stored = tx.save(two_partitions, Event(uuid4(), Measured(value="there")))

    (message,) = delivered(kafka, two_partitions)
    assert (message.partition, message.offset) == (stored.partition, stored.offset)


def test_a_zombie_is_fenced(
    kafka: KafkaSettings,
    two_partitions: str,
    log: KafkaEventStore,
    shared_registry: MemoryRegistry,
) -> None:
    """Another store begins with the same id: the older one's commit fails and is not seen."""
    name = f"fenced-{uuid4()}"
    with (  # noqa: PT012  # The commit at the end of the block raises.
        KafkaEventStore.open(kafka, registry=shared_registry) as newer,
        pytest.raises(OutcomeUnknown) as caught,
        log.transaction(name) as zombie,
    ):
        zombie.save(two_partitions, Event(uuid4(), Measured(value="zombie")))
        with newer.transaction(name) as tx:
            stored = tx.save(two_partitions, Event(uuid4(), Measured(value="newer")))
    (message,) = delivered(kafka, two_partitions)

    assert name in caught.value.message
    assert (message.partition, message.offset) == (stored.partition, stored.offset)


def test_a_failed_save_keeps_the_rest_from_being_committed(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore
) -> None:
    """An event too large is caught by the application: still nothing of the block is there."""
    with (  # noqa: PT012  # The commit at the end of the block raises.
        pytest.raises(ServerUnavailable, match="nothing was saved"),
        log.transaction() as tx,
    ):
        tx.save(two_partitions, *measured(1))
        with pytest.raises(Refusal):
            tx.save(two_partitions, Event(uuid4(), Measured(value="x" * 2_000_000)))

    assert delivered(kafka, two_partitions) == []


def test_an_id_is_for_one_transaction_at_a_time(log: KafkaEventStore) -> None:
    """Open it twice in one store: that could only fence itself."""
    with log.transaction("shop-2"), pytest.raises(ConfigurationError), log.transaction("shop-2"):
        pass


async def test_the_async_face_commits_and_gives_up(
    kafka: KafkaSettings, two_partitions: str, shared_registry: MemoryRegistry
) -> None:
    """One transaction that ends well, one with an exception, one more on the kept producer."""
    async with AsyncKafkaEventStore.open(kafka, registry=shared_registry) as store:
        async with store.transaction() as tx:
            first = await tx.save(two_partitions, *measured(1))
        with pytest.raises(Stopped):  # noqa: PT012  # As above.
            async with store.transaction() as tx:
                await tx.save(two_partitions, *measured(1))
                raise Stopped
        async with store.transaction() as tx:
            more = await tx.save_many(two_partitions, spread(3))
    found = {(each.partition, each.offset) for each in delivered(kafka, two_partitions)}

    assert {(each.partition, each.offset) for each in [first, *more]} == found
