"""AsyncKafkaEventStore: the events of a topic, decoded, in batches, for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self
from uuid import UUID

from mainstem.errors import DecodeError, MainstemError, SchemaNotFound
from mainstem.event import StoredEvent
from mainstem.kafka.consumer import Delivered, TopicReader, below
from mainstem.kafka.settings import KafkaSettings
from mainstem.registry.registry import Registry
from mainstem.wire import Wire


class Span(NamedTuple):
    """Which part of a topic is read: from `offsets` up to, without, `until`."""

    offsets: Mapping[int, int] | None = None
    until: Mapping[int, int] | None = None


class Decoder(NamedTuple):
    """How delivered messages become stored events."""

    wire: Wire
    key_type: type

    def stored(self, delivered: Delivered) -> StoredEvent[Any]:
        """The event of a message; DecodeError and SchemaNotFound name its place and id."""
        record, stored_id, position = delivered.record()
        if stored_id is None:
            raise DecodeError(f"{delivered.place}: the message carries no header `id`")
        try:
            event = self.wire.unpack(record, self.key_type)
        except (DecodeError, SchemaNotFound) as error:
            said = f"{delivered.place} (id {stored_id}): {error.message}"
            raise type(error)(said, hint=error.hint) from error
        return StoredEvent(
            event.key,
            event.payload,
            event.timestamp,
            event.metadata,
            topic=delivered.topic,
            id=stored_id,
            position=position,
            partition=delivered.partition,
            offset=delivered.offset,
        )


class AsyncKafkaEventStore:
    """Events as every read_committed consumer sees them; made by `open`."""

    def __init__(self, kafka: KafkaSettings, decoder: Decoder) -> None:
        """Keep what subscriptions need; nothing is connected yet."""
        self._kafka = kafka
        self._decoder = decoder
        self._subscriptions: list[Subscription] = []

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

        Leaving the block closes every subscription and ends its thread.
        """
        settings = KafkaSettings(kafka) if isinstance(kafka, str) else kafka
        store = cls(settings, Decoder(Wire(registry, types), key_type))
        try:
            yield store
        finally:
            for subscription in store._subscriptions:
                await subscription.aclose()

    def subscribe(
        self,
        topic: str,
        *,
        offsets: Mapping[int, int] | None = None,
        until: Mapping[int, int] | None = None,
    ) -> Subscription:
        """The topic's events in batches, in the order of each partition.

        Starts at `offsets` (partition -> next offset), elsewhere at the beginning. Goes on for
        ever, or up to, without, the offsets `until`. What cannot be decoded raises DecodeError
        with topic, partition, offset and id, after all before it was given; it is never skipped.
        """
        subscription = Subscription(self._kafka, topic, Span(offsets, until), self._decoder)
        self._subscriptions.append(subscription)
        return subscription


class Subscription(AsyncIterator[list[StoredEvent[Any]]]):
    """Batches of one topic, fetched and decoded in a thread of its own, for one task at a time.

    A cancelled wait loses nothing: the next one gets the batch.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, span: Span, decoder: Decoder) -> None:
        """Connect at the first batch, not before."""
        self._kafka = kafka
        self._topic = topic
        self._span = span
        self._decoder = decoder
        self._reader: TopicReader | None = None
        self._failure: MainstemError | None = None
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"mainstem-{topic}")
        self._pending: asyncio.Future[list[StoredEvent[Any]] | None] | None = None

    async def __aenter__(self) -> Self:
        """Give the subscription itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    async def __anext__(self) -> list[StoredEvent[Any]]:
        """The next batch, never an empty one; the end where `until` was reached."""
        if self._stopping.is_set():
            raise StopAsyncIteration
        if self._pending is None:
            loop = asyncio.get_running_loop()
            self._pending = loop.run_in_executor(self._thread, self._next_batch)
        # wait() leaves the future alone when it is cancelled itself, so that no batch is lost.
        await asyncio.wait([self._pending])
        done, self._pending = self._pending, None
        batch = done.result()
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def aclose(self) -> None:
        """Close the consumer and end the thread; closing twice does no harm."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if (pending := self._pending) is not None:
            await asyncio.wait([pending])
            # Looked at, so that asyncio does not complain of an error that nobody awaited.
            pending.exception()
        if self._reader is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._reader.close)
        self._thread.shutdown()

    def _next_batch(self) -> list[StoredEvent[Any]] | None:
        """In the thread: wait for messages and decode them; None at the end."""
        if self._failure is not None:
            raise self._failure
        if self._reader is None:
            self._reader = TopicReader(self._kafka, self._topic, self._span.offsets)
        until = self._span.until
        while not self._stopping.is_set():
            if batch := below(self._reader.batch(), until):
                return self._decoded(batch)
            if until is not None and self._reader.has_reached(until):
                return None
        return None

    def _decoded(self, batch: list[Delivered]) -> list[StoredEvent[Any]]:
        """The events up to the first that cannot be decoded, whose error is kept for ever."""
        events: list[StoredEvent[Any]] = []
        for delivered in batch:
            try:
                events.append(self._decoder.stored(delivered))
            except MainstemError as error:
                self._failure = error
                break
        if self._failure is not None and not events:
            raise self._failure
        return events
