"""The payload of the tests of the Kafka stores, and what reads its topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID, uuid4

from mainstem.event import Event, StoredEvent
from mainstem.kafka import KafkaSettings
from mainstem.kafka.consumer import end_offsets, read
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.subscription import Subscription
from mainstem.schema.declare import event_type

DEADLINE_S = 20.0


@event_type("com.example.reading")
@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A payload of the tests."""

    value: str


def measured(count: int, key: UUID | None = None) -> list[Event[Measured]]:
    """Events of one key, so that they share a partition."""
    shared = key or uuid4()
    return [
        Event(shared, Measured(value=f"secret-{n}"), metadata={"n": b"%d" % n})
        for n in range(count)
    ]


def spread(count: int) -> list[Event[Measured]]:
    """Events of as many keys, so that they are in all partitions."""
    return [Event(uuid4(), Measured(value=str(n))) for n in range(count)]


def delivered(kafka: KafkaSettings, topic: str) -> list[Delivered]:
    """All committed messages of the topic."""
    return list(chain(*read(kafka, topic, until=end_offsets(kafka, topic))))


def values(events: Sequence[StoredEvent[Measured]]) -> list[str]:
    """What the payloads say."""
    return [event.payload.value for event in events]


def numbers(events: Sequence[StoredEvent[Measured]]) -> list[int]:
    """The same, as numbers in their order."""
    return sorted(int(event.payload.value) for event in events)


def taken(subscription: Subscription, count: int) -> list[StoredEvent[Measured]]:
    """The next events, so many at least."""
    events: list[StoredEvent[Measured]] = []
    while len(events) < count:
        events += next(subscription)
    return events


def until(condition: Callable[[], bool]) -> None:
    """Call it again and again until it holds; it must do some waiting of its own."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the condition never held")
