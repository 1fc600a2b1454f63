"""The Kafka stores that users hold, sync and async: save straight to topics, and subscribe."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any, Self, TypeVar
from uuid import UUID

from mainstem.correlation import carried, carried_all
from mainstem.errors import ConfigurationError
from mainstem.event import Event, StoredEvent
from mainstem.kafka.course import Batch, Course, Request
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Place
from mainstem.kafka.group import GroupOptions
from mainstem.kafka.offsets import IN_KAFKA, Given, Offsets, Start
from mainstem.kafka.outlet import Outlet, Packing
from mainstem.kafka.partitions import PATTERN
from mainstem.kafka.settings import KafkaSettings, settings_of
from mainstem.kafka.subscription import AsyncSubscription, Subscription
from mainstem.kafka.topics import create_event_topic
from mainstem.kafka.transaction import AsyncTransaction, Transaction, Transactors
from mainstem.registry.registry import Registry
from mainstem.wire import Wire

__all__ = [
    "AsyncKafkaEventStore",
    "AsyncSubscription",
    "Batch",
    "Decoder",
    "KafkaEventStore",
    "Subscription",
]

P = TypeVar("P")


class Store:
    """What both faces are made of."""

    def __init__(self, kafka: KafkaSettings, decoder: Decoder) -> None:
        """Keep what saves and subscriptions need; nothing is connected yet."""
        self._kafka = kafka
        self._decoder = decoder
        self._packing = Packing(decoder.wire, decoder.key_type)
        self._transactors = Transactors(kafka, self._packing)
        self._outlet: Outlet | None = None
        self._lock = threading.Lock()

    def create_topic(self, topic: str, *, partitions: int | None = None) -> bool:
        """Create the topic as event topics must be; False if it exists. It waits for Kafka."""
        return create_event_topic(self._kafka, topic, partitions=partitions)

    def _course(  # noqa: PLR0913, PLR0917  # What `subscribe` takes.
        self,
        topics: str | Sequence[str],
        group: str | None,
        offsets: Offsets | Mapping[int, int] | Mapping[Place, int] | str | None,
        start: Start | None,
        until: Mapping[int, int] | Mapping[Place, int] | None,
        options: GroupOptions | None,
    ) -> Course:
        """The course of a subscription; ConfigurationError for one that cannot be."""
        names = (topics,) if isinstance(topics, str) else tuple(topics)
        request = Request(
            topics=names,
            group=group,
            keeper=keeper_of(names, offsets, group),
            start=start or (None if group else "earliest"),
            until=None if until is None else placed(names, until),
            options=options or GroupOptions(),
        )
        return Course(self._kafka, self._decoder.another(), request)

    def _start(
        self, topic: str, events: Sequence[Event[Any]], *, wait: bool = True
    ) -> Future[list[StoredEvent[Any]]]:
        """Hand events over, to a new producer if the last one failed."""
        with self._lock:
            former = self._outlet
            if former is None or former.broken:
                self._outlet = Outlet(self._kafka, self._packing)
            outlet = self._outlet
        if former is not None and former is not outlet:
            former.destroy()
        assert outlet is not None, "it was just made"
        return outlet.start(topic, events, wait=wait)

    def _is_quick(self, topic: str, event: Event[Any]) -> bool:
        """Whether saving this event needs no thread to wait in."""
        outlet = self._outlet
        return outlet is not None and not outlet.broken and outlet.is_quick(topic, event)

    def _close(self) -> None:
        """Finish the saves that were accepted."""
        with self._lock:
            outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()
        self._transactors.close()


class KafkaEventStore(Store):
    """Saves events straight to Kafka topics, and reads them; made by `open`, threads may share it.

    Such events are in no table: they have no row (`id` is NO_ROW) and no position in commit order.
    What is saved is there once, in the order of the saves within a partition, and on all replicas.
    Raises UnknownTopic and the other kinds of EventRefused before anything is sent; a Refusal that
    names why Kafka takes the event never; ServerUnavailable; and its kind OutcomeUnknown where
    Kafka did not tell.
    """

    def __init__(self, kafka: KafkaSettings, decoder: Decoder) -> None:
        """Keep what saves and subscriptions need; nothing is connected yet."""
        super().__init__(kafka, decoder)
        self._subscriptions: list[Subscription] = []

    @classmethod
    @contextmanager
    def open(
        cls,
        kafka: KafkaSettings | str,
        *,
        registry: Registry,
        types: Iterable[type] = (),
        key_type: type = UUID,
    ) -> Iterator[Self]:
        """A store for the block; payloads not of `types` arrive as GenericPayload.

        Leaving the block finishes the saves that were accepted and closes every subscription.
        """
        store = cls(settings_of(kafka), Decoder(Wire(registry, types), key_type))
        with ExitStack() as stack:
            stack.callback(store._close)
            stack.callback(store._close_subscriptions)
            yield store

    def save(self, topic: str, event: Event[P]) -> StoredEvent[P]:
        """Save the event; it comes back with its partition and offset."""
        return self._start(topic, [carried(event)]).result()[0]

    def save_many(self, topic: str, events: Iterable[Event[P]]) -> list[StoredEvent[P]]:
        """Save the events; they come back in their order.

        They are not all or none: where one fails, others may be there. A transaction is.
        """
        return self._start(topic, carried_all(events)).result()

    def transaction(self, transactional_id: str | None = None) -> Transaction:
        """A block whose saves become visible together at its end, or never.

        With an id, whoever begins a transaction of the same id fences those that began before.
        OutcomeUnknown where it cannot be told whether they are visible.
        """
        return Transaction(self._transactors, transactional_id)

    def subscribe(  # noqa: PLR0913  # From where, up to where and for whom, all of it optional.
        self,
        topics: str | Sequence[str],
        *,
        group: str | None = None,
        offsets: Offsets | Mapping[int, int] | Mapping[Place, int] | str | None = None,
        start: Start | None = None,
        until: Mapping[int, int] | Mapping[Place, int] | None = None,
        options: GroupOptions | None = None,
    ) -> Subscription:
        """The events of topics in batches, in the order of each partition.

        Topics are names, or patterns that begin with `^`. Members of a `group` share the
        partitions. Who keeps the offsets: `"kafka"`, the default with a group, when the next
        batch is asked for; you, by an object with `load(places)`, and `batch.offsets` to store
        them; or nobody, with a mapping to the next offsets. A partition without an offset begins
        at `start`: "earliest", the default without a group, "latest", a time or a Position.
        Goes on for ever, or up to, without, the offsets `until`.

        What cannot be decoded raises DecodeError with topic, partition and offset, after all
        before it was given; it is never skipped. An offset that Kafka does not hold any more is
        the refusal `topic-recreated`.
        """
        subscription = Subscription(self._course(topics, group, offsets, start, until, options))
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        self._subscriptions.append(subscription)
        return subscription

    def _close_subscriptions(self) -> None:
        """Close those that are open, each of them whatever the others say."""
        with ExitStack() as stack:
            for subscription in self._subscriptions:
                stack.callback(subscription.close)


class AsyncKafkaEventStore(Store):
    """KafkaEventStore for asyncio, with the same promises; made by `open`.

    A save that is cancelled is saved or not.
    """

    def __init__(self, kafka: KafkaSettings, decoder: Decoder) -> None:
        """Keep what saves and subscriptions need; nothing is connected yet."""
        super().__init__(kafka, decoder)
        self._subscriptions: list[AsyncSubscription] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        kafka: KafkaSettings | str,
        *,
        registry: Registry,
        types: Iterable[type] = (),
        key_type: type = UUID,
    ) -> AsyncIterator[Self]:
        """A store for the block; payloads not of `types` arrive as GenericPayload.

        Leaving the block finishes the saves that were accepted, and closes every subscription
        and ends its thread.
        """
        store = cls(settings_of(kafka), Decoder(Wire(registry, types), key_type))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, store._close)
            stack.push_async_callback(store._close_subscriptions)
            yield store

    async def save(self, topic: str, event: Event[P]) -> StoredEvent[P]:
        """Save the event; it comes back with its partition and offset."""
        carrying = carried(event)
        if self._is_quick(topic, carrying):
            try:
                return (await asyncio.wrap_future(self._start(topic, [carrying], wait=False)))[0]
            except BufferError:
                # The queue is full: wait where waiting holds up nobody.
                pass
        return (await self._sent(topic, [carrying]))[0]

    async def save_many(self, topic: str, events: Iterable[Event[P]]) -> list[StoredEvent[P]]:
        """As of KafkaEventStore: not all or none, unless in a transaction."""
        return await self._sent(topic, carried_all(events))

    def transaction(self, transactional_id: str | None = None) -> AsyncTransaction:
        """As of KafkaEventStore, for `async with`."""
        return AsyncTransaction(self._transactors, transactional_id)

    def subscribe(  # noqa: PLR0913  # From where, up to where and for whom, all of it optional.
        self,
        topics: str | Sequence[str],
        *,
        group: str | None = None,
        offsets: Offsets | Mapping[int, int] | Mapping[Place, int] | str | None = None,
        start: Start | None = None,
        until: Mapping[int, int] | Mapping[Place, int] | None = None,
        options: GroupOptions | None = None,
    ) -> AsyncSubscription:
        """As of KafkaEventStore, for `async for`; read and decoded in a thread of its own."""
        course = self._course(topics, group, offsets, start, until, options)
        subscription = AsyncSubscription(course)
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        self._subscriptions.append(subscription)
        return subscription

    async def _close_subscriptions(self) -> None:
        """Close those that are open, each of them whatever the others say."""
        async with AsyncExitStack() as stack:
            for subscription in self._subscriptions:
                stack.push_async_callback(subscription.aclose)

    async def _sent(self, topic: str, events: Sequence[Event[P]]) -> list[StoredEvent[P]]:
        """Hand events over in a thread, which may wait for the registry and for room."""
        return await asyncio.wrap_future(await asyncio.to_thread(self._start, topic, events))


def keeper_of(
    names: Sequence[str], offsets: Offsets | Mapping[Any, int] | str | None, group: str | None
) -> Offsets | None:
    """Who keeps the offsets, or None for Kafka or nobody; ConfigurationError."""
    if offsets is None or isinstance(offsets, str):
        if offsets not in {None, IN_KAFKA} or (offsets and group is None):
            raise ConfigurationError(
                'offsets are kept in Kafka for a group: say group="…", offsets="kafka"'
            )
        return None
    if not isinstance(offsets, Mapping):
        return offsets
    return Given(placed(names, offsets))


def placed(names: Sequence[str], offsets: Mapping[Any, int]) -> dict[Place, int]:
    """Offsets by place; those of a single topic may be given by partition."""
    if all(isinstance(each, tuple) for each in offsets):
        return {Place(*each): offset for each, offset in offsets.items()}
    if len(names) != 1 or names[0].startswith(PATTERN):
        raise ConfigurationError(
            "offsets by partition are of one topic",
            hint="with several topics write Place(topic, partition)",
        )
    return {Place(names[0], partition): offset for partition, offset in offsets.items()}
