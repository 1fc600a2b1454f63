"""Transactions on Kafka: two librdkafka producers in strict turn, thrown away on any error.

A producer that begins its next transaction right after a commit meets CONCURRENT_TRANSACTIONS,
because the broker still writes the markers, and librdkafka then waits 20 ms. With two transactional
ids in turn that wait is gone; B begins only after A's commit returned, so order is kept.

librdkafka speaks the transaction protocol from before KIP-890: after an error a late request of the
old epoch could commit or abort the next transaction. So after any error both producers are
destroyed, and new ones fence every request that may still be under way (librdkafka issue 5423).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Producer

from mainstem.errors import ServerUnavailable
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.records import Message
from mainstem.kafka.settings import PARTITIONER, KafkaSettings

SLICE_S = 0.25
"""A blocking call lasts at most this long before we look whether to stop."""
QUEUE_WAIT_S = 0.05
ABORT_S = 0.5
QUEUE_KB_MAX = 32_768
QUEUE_MESSAGES_MAX = 100_000
MESSAGE_BYTES_MAX = 100_000_000
"""Above what any broker is set to: the broker's own limit decides, and its refusal is named."""
LINGER_MS = 5
ANY_PARTITION = -1
"""Let the partitioner choose by the key."""

Stopping: TypeAlias = Callable[[], bool]
Produce: TypeAlias = Callable[..., None]


class TurnProducer:
    """Kafka transactions, one after another, under fixed transactional ids.

    Not usable any more after any of its methods raised: call `destroy` and make a new one.
    """

    def __init__(
        self, kafka: KafkaSettings, ids: Sequence[str], *, transaction_timeout_s: float
    ) -> None:
        """Make the producers; nothing is sent before `fence`."""
        self._timeout_s = transaction_timeout_s
        with kafka_errors("setting up a producer"):
            self._producers = self._made(kafka, ids)
        self._turn = 0
        self._is_open = False

    def _made(self, kafka: KafkaSettings, ids: Sequence[str]) -> list[Producer]:
        """A producer for each transactional id."""
        return [
            Producer(
                kafka.config(
                    transactional_id=transactional_id,
                    transaction_timeout_ms=int(self._timeout_s * 1000),
                    partitioner=PARTITIONER,
                    linger_ms=LINGER_MS,
                    batch_size=1_000_000,
                    message_max_bytes=MESSAGE_BYTES_MAX,
                    queue_buffering_max_kbytes=QUEUE_KB_MAX,
                    queue_buffering_max_messages=QUEUE_MESSAGES_MAX,
                )
            )
            for transactional_id in ids
        ]

    def fence(self, stopping: Stopping) -> None:
        """Fence every older producer of these ids and end what it left open."""
        for producer in self._producers:
            self._in_slices(producer.init_transactions, "fencing older producers", stopping)

    def begin(self) -> Produce:
        """Begin a transaction; returns the produce method that adds to it."""
        producer = self._producers[self._turn]
        with kafka_errors("beginning a transaction"):
            producer.begin_transaction()
        self._is_open = True
        produce: Produce = producer.produce
        return produce

    def put(self, produce: Produce, topic: str, message: Message) -> bool:
        """Add an event with the method that `begin` returned; False while the queue is full.

        For the hot path: positional arguments save a microsecond; the caller maps KafkaException.
        """
        key, value, timestamp_ms, headers = message
        try:
            produce(topic, value, key, ANY_PARTITION, None, None, timestamp_ms, headers)
        except BufferError:
            return False
        return True

    def add(self, topic: str, value: bytes, key: bytes) -> None:
        """Add one record to partition 0 of a topic."""
        producer = self._producers[self._turn]
        deadline_s = time.monotonic() + self._timeout_s
        with kafka_errors(f"producing to {topic}"):
            while True:
                try:
                    producer.produce(topic, value, key, 0)
                except BufferError as error:
                    if time.monotonic() > deadline_s:
                        raise ServerUnavailable("Kafka takes nothing in any more") from error
                    producer.poll(QUEUE_WAIT_S)
                else:
                    return

    def make_room(self) -> None:
        """Wait a little for a full queue to drain."""
        with kafka_errors("waiting for the producer's queue"):
            self._producers[self._turn].poll(QUEUE_WAIT_S)

    def commit(self, stopping: Stopping) -> None:
        """Commit the transaction; when this returns, read_committed consumers can see it.

        Any error leaves the outcome unknown: destroy, fence, and read the progress again.
        """
        producer = self._producers[self._turn]
        self._is_open = False
        self._in_slices(producer.commit_transaction, "committing a transaction", stopping)
        self._turn = (self._turn + 1) % len(self._producers)

    def destroy(self) -> None:
        """Drop both producers, with all that they hold.

        A transaction whose commit was never tried is aborted if that is quick, so that consumers
        need not wait for its time-out. That is safe: the next producers fence whatever is late.
        """
        if self._is_open:
            with suppress(KafkaException):
                self._producers[self._turn].abort_transaction(ABORT_S)
        for producer in self._producers:
            producer.purge()
        self._producers.clear()

    def _in_slices(self, call: Callable[[float], object], doing: str, stopping: Stopping) -> None:
        """Repeat a call that librdkafka lets resume after a time-out."""
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            try:
                call(SLICE_S)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                resumable = cause.retriable()
                if not resumable or stopping() or time.monotonic() > deadline_s:
                    raise failure(cause, doing) from error
            else:
                return
