"""Saving straight to Kafka: events go into one librdkafka producer, reports come back by a thread.

Theory of operation. `start` packs the events of one call and hands them to the producer, which
batches what several calls bring; a thread takes the delivery reports and completes the call's
future when the last of them came. The producer is idempotent and waits for all replicas: what is
reported is in Kafka once, and in the order of the calls within a partition.

A producer that failed for good (`broken`) is thrown away with all that it holds, and never mended:
see `producer.py` for why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from mainstem.errors import (
    EventRefused,
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
    WrongKeyType,
)
from mainstem.event import NO_ROW, Event, StoredEvent, Whereabouts, arrived_event
from mainstem.kafka.clients import ABSENT, REQUEST_TIMEOUT_S, unknown
from mainstem.kafka.failures import REFUSED, TOO_LARGE, failure, kafka_errors
from mainstem.kafka.producer import (
    ANY_PARTITION,
    MESSAGE_BYTES_MAX,
    QUEUE_KB_MAX,
    QUEUE_MESSAGES_MAX,
    QUEUE_WAIT_S,
)
from mainstem.kafka.records import bare_message_of
from mainstem.kafka.settings import PARTITIONER, KafkaSettings
from mainstem.wire import Wire

LINGER_MS: Final = 1
DELIVERY_TIMEOUT_S: Final = 30.0
"""How long a save waits for Kafka before its outcome counts as unknown."""
POLL_S: Final = 0.1
UNSENT: Final = frozenset({KafkaError._PURGE_QUEUE}) | ABSENT | TOO_LARGE | REFUSED  # noqa: SLF001 - librdkafka's own codes are spelled so
"""After any other report nobody knows whether the event is in Kafka."""
READ_FIRST: Final = "read the topic before saving them again"


@dataclass(frozen=True, slots=True)
class Packing:
    """How events become records."""

    wire: Wire
    key_type: type


class Outlet:
    """One producer with the thread that takes its reports; threads may share it."""

    def __init__(
        self, kafka: KafkaSettings, packing: Packing, transactional_id: str | None = None
    ) -> None:
        """Connect; with a transactional id nothing is sent before a transaction begins."""
        self._packing = packing
        self.is_whole = transactional_id is not None
        """What fails leaves nothing behind: the transaction is not committed."""
        self._topics: set[str] = set()
        self._stopping = threading.Event()
        self.broken = False
        """Failed for good: throw it away."""
        with kafka_errors("setting up a producer"):
            self.producer = producer_of(kafka, transactional_id)
        self._thread = threading.Thread(
            target=self._take_reports, name="mainstem-kafka-reports", daemon=True
        )
        self._thread.start()

    def is_quick(self, topic: str, event: Event[Any]) -> bool:
        """Whether `start` for this one event waits for nobody, neither Kafka nor the registry."""
        return (
            topic in self._topics
            and len(self.producer) < QUEUE_MESSAGES_MAX // 2
            and self._packing.wire.prepared(type(getattr(event, "payload", None)))
        )

    def start(
        self, topic: str, events: Sequence[Event[Any]], *, wait: bool = True
    ) -> Future[list[StoredEvent[Any]]]:
        """Hand the events over; the future has them as stored, or the error.

        EventRefused, before any is sent, for one that cannot be saved, and BufferError, instead of
        waiting, for one event that the queue has no room for.
        """
        records = [self._packed(event) for event in events]
        if topic not in self._topics:
            self._look_up(topic)
        delivery = Delivery(topic, events, self)
        for number, record in enumerate(records):
            key, value, timestamp_ms, headers = bare_message_of(record)
            report = partial(delivery.reported, number)
            produce = partial(
                self.producer.produce,
                topic,
                value,
                key,
                ANY_PARTITION,
                report,
                timestamp=timestamp_ms,
                headers=cast("Any", headers),
            )
            try:
                self._produced(produce, wait=wait)
            except KafkaException as error:
                self._note(error.args[0])
                delivery.cut(number, failure(error.args[0], f"saving to {topic}"))
                break
            except BufferError:
                if number == 0 and not self.broken:
                    raise
                delivery.cut(number, ServerUnavailable("the producer failed, and takes nothing"))
                break
        return delivery.future

    def drain(self, timeout_s: float) -> None:
        """Wait until everything is reported; ServerUnavailable where it is not in time."""
        deadline_s = time.monotonic() + timeout_s
        with kafka_errors("waiting for the reports of saves"):
            while len(self.producer) and (left_s := deadline_s - time.monotonic()) > 0:
                self.producer.flush(min(left_s, POLL_S))
        if len(self.producer):
            raise ServerUnavailable("Kafka did not take in what was saved in time")

    def close(self, timeout_s: float = DELIVERY_TIMEOUT_S) -> None:
        """Wait for what is under way, and end; twice is fine."""
        with suppress(MainstemError):
            self.drain(timeout_s)
        self.destroy()

    def destroy(self) -> None:
        """Throw the producer away with all that it holds; its saves fail."""
        self.broken = True
        with suppress(KafkaException):
            self.producer.purge()
            self.producer.flush(POLL_S)
        self._stopping.set()
        self._thread.join()

    def _packed(self, event: Event[Any]) -> Any:
        """The event's record; EventRefused."""
        if not isinstance(event, Event):
            raise EventRefused(f"an Event is needed, not {type(event).__name__}")
        key_type = self._packing.key_type
        if not isinstance(event.key, key_type) or isinstance(event.key, bool) != (key_type is bool):
            raise WrongKeyType(
                f"a key of type {type(event.key).__name__}, where {key_type.__name__} is declared",
                hint="open the store with the key_type that the topic has",
            )
        return self._packing.wire.pack(event)

    def _produced(self, produce: Callable[[], None], *, wait: bool) -> None:
        """Call it, again and again while the queue is full."""
        while True:
            try:
                produce()
            except BufferError:
                if not wait or self.broken:
                    raise
                self.producer.poll(QUEUE_WAIT_S)
            else:
                return

    def _look_up(self, topic: str) -> None:
        """Remember which topics there are; UnknownTopic, for Kafka would make one up."""
        with kafka_errors(f"looking up {topic}"):
            # All of them: asked for one by name, a broker may create it.
            self._topics = set(self.producer.list_topics(timeout=REQUEST_TIMEOUT_S).topics)
        if topic not in self._topics:
            raise unknown(topic)

    def failed(self, topic: str, error: KafkaError) -> MainstemError:
        """Our error for a bad report; a topic that is gone is looked up again."""
        self._note(error)
        if error.code() in ABSENT:
            self._topics = self._topics - {topic}
            return unknown(topic)
        if self.is_whole or error.code() in UNSENT:
            return failure(error, f"saving to {topic}")
        return OutcomeUnknown(
            f"nobody knows whether events were saved to {topic}: {error.name()}", hint=READ_FIRST
        )

    def _note(self, error: KafkaError) -> None:
        self.broken = self.broken or error.fatal()

    def _take_reports(self) -> None:
        """In the thread."""
        while not self._stopping.is_set():
            try:
                self.producer.poll(POLL_S)
            except KafkaException as error:
                # A fatal error comes out here at every call; the saves hear of it by their reports.
                self._note(error.args[0])
                self._stopping.wait(POLL_S)


class Delivery:
    """The reports of one call's events, until they are complete."""

    def __init__(self, topic: str, events: Sequence[Event[Any]], outlet: Outlet) -> None:
        """Wait for a report of each."""
        self.future: Future[list[StoredEvent[Any]]] = Future()
        # From now on it cannot be cancelled, which would make completing it an error.
        self.future.set_running_or_notify_cancel()
        self._topic = topic
        self._events = events
        self._outlet = outlet
        self._stored: list[StoredEvent[Any] | None] = [None] * len(events)
        self._left = len(events)
        self._error: Exception | None = None
        self._lock = threading.Lock()
        if not events:
            self.future.set_result([])

    def reported(self, number: int, error: KafkaError | None, message: Message) -> None:
        """The report of one event."""
        if error is None:
            self._stored[number] = stored(self._topic, self._events[number], message)
        else:
            failed = self._outlet.failed(self._topic, error)
            self._error = self._error or failed
        self._less(1)

    def cut(self, number: int, error: Exception) -> None:
        """No report comes of this event and those after it: they were not handed over."""
        self._error = self._error or error
        self._less(len(self._events) - number)

    def _less(self, count: int) -> None:
        """So many fewer are missing; complete the future with the last."""
        with self._lock:
            self._left -= count
            is_complete = not self._left
        if not is_complete:
            return
        if self._error is None:
            self.future.set_result([event for event in self._stored if event is not None])
            return
        saved = sum(event is not None for event in self._stored)
        if saved and not self._outlet.is_whole:
            # What was wrong stands in the text; the caller must know that some are there.
            self._error = OutcomeUnknown(
                f"{saved} of {len(self._events)} events were saved to {self._topic}: {self._error}",
                hint=f"{READ_FIRST}; save them in a transaction to have all or none",
            )
        self.future.set_exception(self._error)


def stored(topic: str, event: Event[Any], message: Message) -> StoredEvent[Any]:
    """The event with its place in Kafka."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None, "a delivered message has a partition"
    assert offset is not None, "a delivered message has an offset"
    return arrived_event(
        topic,
        NO_ROW,
        event.key,
        event.payload,
        event.timestamp,
        event.metadata,
        Whereabouts(None, partition, offset),
    )


def producer_of(kafka: KafkaSettings, transactional_id: str | None) -> Producer:
    """An idempotent producer, or a transactional one."""
    settings: dict[str, Any] = kafka.config(
        enable_idempotence=True,
        acks="all",
        partitioner=PARTITIONER,
        linger_ms=LINGER_MS,
        message_max_bytes=MESSAGE_BYTES_MAX,
        queue_buffering_max_kbytes=QUEUE_KB_MAX,
        queue_buffering_max_messages=QUEUE_MESSAGES_MAX,
        message_timeout_ms=round(DELIVERY_TIMEOUT_S * 1000),
    )
    if transactional_id is not None:
        settings["transactional.id"] = transactional_id
        settings["transaction.timeout.ms"] = round(DELIVERY_TIMEOUT_S * 1000)
    return Producer(settings)
