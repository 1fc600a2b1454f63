"""Subscriptions of a group: offsets in Kafka, rebalances, and members that lost their session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError, Refusal
from mainstem.event import StoredEvent
from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore, KafkaSettings
from mainstem.kafka.delivered import Place
from mainstem.kafka.group import GroupOptions, GroupReader
from mainstem.kafka.subscription import Subscription
from mainstem.registry.memory import MemoryRegistry
from tests.kafka.measured import Measured, numbers, spread, taken, until
from tests.kafka.publisher import created, delete_topic

pytestmark = pytest.mark.stack


class Handled(Exception):
    """What the application raises."""


@pytest.fixture
def group() -> str:
    """A group of its own."""
    return f"test-{uuid4()}"


@pytest.fixture
def four_partitions(kafka: KafkaSettings, topic: str) -> Iterator[str]:
    """An empty topic of four partitions."""
    with created(kafka, topic, 4):
        yield topic


def test_a_group_goes_on_where_it_was(
    two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """Read all, leave the block, save more, come again: only what is new comes."""
    log.save_many(two_partitions, spread(40))
    with log.subscribe(two_partitions, group=group, start="earliest") as subscription:
        first = taken(subscription, 40)
    log.save_many(two_partitions, spread(3))
    with log.subscribe(two_partitions, group=group) as subscription:
        then = taken(subscription, 3)

    assert numbers(first) == list(range(40))
    assert numbers(then) == [0, 1, 2]


def test_what_was_not_handled_comes_again(
    two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """The application fails at a batch: the next member gets it; `commit` keeps it otherwise."""
    log.save_many(two_partitions, spread(5))
    with (  # noqa: PT012  # In the middle of it.
        pytest.raises(Handled),
        log.subscribe(two_partitions, group=group, start="earliest") as subscription,
    ):
        taken(subscription, 1)
        raise Handled
    subscription = log.subscribe(two_partitions, group=group)
    again = taken(subscription, 5)
    subscription.commit()
    subscription.close()
    log.save_many(two_partitions, spread(1))
    with log.subscribe(two_partitions, group=group) as subscription:
        (last,) = taken(subscription, 1)

    assert numbers(again) == list(range(5))
    assert numbers([last]) == [0]


def test_a_group_must_say_where_it_begins(
    two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """Without offsets and without `start` nothing is guessed."""
    with (
        pytest.raises(ConfigurationError, match=two_partitions),
        log.subscribe(two_partitions, group=group) as subscription,
    ):
        next(subscription)


def test_the_latest_place_is_kept_at_once(
    two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """Begin at the end, get nothing, stop; what is saved meanwhile comes at the next start."""
    log.save_many(two_partitions, spread(3))
    first = log.subscribe(two_partitions, group=group, start="latest")
    until(lambda: step(first) and len(first.places) == 2)
    first.close()
    log.save_many(two_partitions, spread(2))
    with log.subscribe(two_partitions, group=group, start="latest") as subscription:
        events = taken(subscription, 2)

    assert numbers(events) == [0, 1]


def test_members_share_partitions_and_hand_them_over(
    four_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """One member, then two, then the other alone: each event is handled once, none is left out."""
    with ExitStack() as stack:
        one = stack.enter_context(log.subscribe(four_partitions, group=group, start="earliest"))
        log.save_many(four_partitions, spread(100))
        handled = [*taken(one, 100)]
        two = stack.enter_context(log.subscribe(four_partitions, group=group, start="earliest"))
        until(lambda: step(one, handled) and step(two, handled) and len(two.places) == 2)
        log.save_many(four_partitions, spread(100))
        until(lambda: step(one, handled) and step(two, handled) and len(handled) >= 200)
        shared = one.places, two.places
        one.close()
        log.save_many(four_partitions, spread(100))
        until(lambda: step(two, handled) and len({(e.partition, e.offset) for e in handled}) == 300)
        alone = two.places

    assert [len(places) for places in shared] == [2, 2]
    assert not shared[0] & shared[1]
    assert len(alone) == 4
    # What `one` handed out last was not said to be handled: it may have come again.
    assert len(handled) <= 300 + 100


def test_offsets_of_a_former_topic_are_refused(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """Read, then let the kept offsets carry another topic's id: the next member refuses them."""
    log.save_many(two_partitions, spread(5))
    with log.subscribe(two_partitions, group=group, start="earliest") as subscription:
        taken(subscription, 5)

    class Forger:
        """Keeps the group's offsets as those of another topic."""

        def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
            """Anywhere."""
            return dict.fromkeys(places, 0)

        def revoked(self, places: Sequence[Place], *, lost: bool) -> None:
            """Nothing to do."""

    with GroupReader(kafka, [two_partitions], group, Forger()) as forger:
        until(lambda: forger.batch() is not None and len(forger.places) == 2)
        forger.commit(dict.fromkeys(forger.places, 1), {two_partitions: "former"})
    with (
        pytest.raises(Refusal) as caught,
        log.subscribe(two_partitions, group=group) as subscription,
    ):
        next(subscription)

    assert caught.value.name == "topic-recreated"


def test_a_deleted_topic_takes_its_offsets_along(
    kafka: KafkaSettings, two_partitions: str, log: KafkaEventStore, group: str
) -> None:
    """Delete it and create it again between two starts: the group must say where it begins."""
    log.save_many(two_partitions, spread(5))
    with log.subscribe(two_partitions, group=group, start="earliest") as subscription:
        taken(subscription, 5)
    delete_topic(kafka, two_partitions)
    with (
        created(kafka, two_partitions),
        pytest.raises((ConfigurationError, Refusal)),
        log.subscribe(two_partitions, group=group) as subscription,
    ):
        next(subscription)


class Witness:
    """A listener that begins at the beginning, and writes down what it hears."""

    def __init__(self) -> None:
        """Nothing was heard."""
        self.lost: list[bool] = []

    def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """The beginning."""
        return dict.fromkeys(places, 0)

    def revoked(self, places: Sequence[Place], *, lost: bool) -> None:
        """Write it down."""
        del places
        self.lost.append(lost)


def test_a_member_that_was_silent_for_too_long_hears_that_it_lost_its_partitions(
    kafka: KafkaSettings, two_partitions: str, group: str
) -> None:
    """Ask for no batch for longer than `poll_max_s`, while another member takes over."""
    silent, other = Witness(), Witness()
    options = GroupOptions(session_timeout_s=6, poll_max_s=6)
    with GroupReader(kafka, [two_partitions], group, silent, options) as first:
        until(lambda: first.batch() is not None and len(first.places) == 2)
        with GroupReader(kafka, [two_partitions], group, other) as second:
            until(lambda: second.batch() is not None and len(second.places) == 2)
            until(lambda: first.batch() is not None and True in silent.lost)

    assert True in silent.lost


def test_what_a_listener_raises_comes_out_of_the_batch(
    kafka: KafkaSettings, two_partitions: str, group: str
) -> None:
    """What stands in between, librdkafka, must not swallow it."""

    class Failing(Witness):
        """A listener whose store is away."""

        def assigned(self, places: Sequence[Place]) -> Mapping[Place, int]:
            """Fail."""
            del places
            raise Handled

    with (
        GroupReader(kafka, [two_partitions], group, Failing()) as reader,
        pytest.raises(Handled),
    ):
        until(lambda: reader.batch() is None)


async def test_the_async_face_keeps_offsets(
    kafka: KafkaSettings, two_partitions: str, shared_registry: MemoryRegistry, group: str
) -> None:
    """As the sync one: what was handled does not come again."""
    async with AsyncKafkaEventStore.open(
        kafka, registry=shared_registry, types=[Measured]
    ) as store:
        await store.save_many(two_partitions, spread(10))
        seen: list[StoredEvent[Measured]] = []
        async with store.subscribe(two_partitions, group=group, start="earliest") as subscription:
            async for batch in subscription:
                seen += batch
                await subscription.commit()
                if len(seen) == 10:
                    subscription.stop()
        await store.save_many(two_partitions, spread(2))
        async with store.subscribe(two_partitions, group=group) as subscription:
            while len(seen) < 12:
                seen += await anext(subscription)

    assert numbers(seen) == sorted([*range(10), 0, 1])


def step(subscription: Subscription, handled: list[StoredEvent[Measured]] | None = None) -> bool:
    """Look once for a batch, as the iteration does, but return where none is there."""
    batch = subscription.step()
    if batch is not None and handled is not None:
        handled += batch
    return True
