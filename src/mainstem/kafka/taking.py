"""Taking from a consumer what is there, also where the client miscounts the end of a partition.

Theory of operation. `consume()` of librdkafka before 2.13.2 counts the report that a partition's
end is reached as if it were a message: its position is one too far from there on. A pause and a
resume, as in every rebalance, then goes on behind an event that was never handed out. `poll()`
counts right, but lets other threads run for each message. Such a client is therefore polled first,
which finds the ends for a reader that has caught up; it consumes the many messages of one that
is behind, and a partition whose end came among the many is put back to where it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
    libversion,
)

from mainstem.kafka.clients import BATCH_EVENTS_MAX
from mainstem.kafka.delivered import Place

MENDED_IN: Final = 0x020D02FF
COUNTS_RIGHT: Final = libversion()[1] >= MENDED_IN
POLLED_MAX: Final = 20
"""More ends than these at once come by `consume`, and cost a fetch each."""
NOT_READ: Final = frozenset({KafkaError._STATE, KafkaError._UNKNOWN_PARTITION})  # noqa: SLF001 - librdkafka's own codes are spelled so
"""What a client says of a partition that it has given up."""


class Taken(NamedTuple):
    """Messages and reports, and the partitions whose position may be one too far."""

    messages: list[Message]
    miscounted: frozenset[Place] = frozenset()


def take(consumer: Consumer, wait_s: float, *, counts_right: bool = COUNTS_RIGHT) -> Taken:
    """What is there after at most `wait_s`, a batch of it."""
    first = consumer.poll(wait_s)
    if first is None:
        return Taken([])
    # Waiting inside consume() would wait for a full batch, half a second of latency.
    if counts_right:
        return Taken([first, *consumer.consume(BATCH_EVENTS_MAX - 1, 0)])
    messages = [first]
    while len(messages) < POLLED_MAX:
        if (polled := consumer.poll(0)) is None:
            return Taken(messages)
        messages.append(polled)
    many = consumer.consume(BATCH_EVENTS_MAX - POLLED_MAX, 0)
    return Taken(messages + many, frozenset(map(message_place, filter(is_end, many))))


def put_back(consumer: Consumer, place: Place, offset: int) -> None:
    """Let the position of the partition be `offset`, unless it was given up meanwhile."""
    try:
        consumer.seek(TopicPartition(*place, offset))
    except KafkaException as error:
        if error.args[0].code() not in NOT_READ:
            raise


def is_end(message: Message) -> bool:
    """Whether it is the report that the end of a partition is reached."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - the same


def message_place(message: Message) -> Place:
    """The partition that the message is of."""
    topic, partition = message.topic() or "", message.partition()
    return Place(topic, -1 if partition is None else partition)
