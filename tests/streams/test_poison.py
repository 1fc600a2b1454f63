"""Poison on the real broker, where partitions are read again: nothing is doubled, nothing lost."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from mainstem.errors import Refusal
from mainstem.event import Event, StoredEvent
from mainstem.kafka import KafkaEventStore
from mainstem.streams import DeadLetterTopic, Streams, stream_app
from tests.streams.running import Running, counted
from tests.streams.shop import OrderPaid, OrderPlaced, paid

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = 200
EVERY = 17
"""One order of so many is poison."""


def refuse(event: StoredEvent[OrderPlaced]) -> None:
    """Fail at some."""
    if event.payload.cents % EVERY == 0:
        raise ValueError("no")


def test_streams_that_come_together_survive_it(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Joined and counted behind a regrouping, with poison among the orders."""
    payments, pairs, counts, dead = (
        f"{name}_{each}" for each in ("payments", "pairs", "counts", "dead")
    )

    @stream_app(name, key_type=str, on_error=DeadLetterTopic(dead))
    def app(streams: Streams) -> None:
        placed = streams.subscribe(orders, OrderPlaced)
        joined = placed.join_interval(
            streams.subscribe(payments, OrderPaid), paid, forward=timedelta(seconds=1)
        )
        joined.to(pairs)
        placed.group_by("country").apply(counted, stateful=True).to(counts)
        # At the end, when state was changed and results were written.
        placed.update(refuse)

    log.create_topic(payments, partitions=2)
    good = [cents for cents in range(1, ORDERS + 1) if cents % EVERY]
    for cents in range(1, ORDERS + 1):
        at = BEGIN + timedelta(seconds=cents)
        log.save(orders, Event(f"k{cents}", OrderPlaced("DE", cents), at))
        log.save(payments, Event(f"k{cents}", OrderPaid("card"), at))
    with running.store(app):
        results = running.wait_for(pairs, len(good))
        numbers = running.wait_for(counts, len(good))
        letters = running.messages(dead)

    assert Counter(event.payload.cents for event in results) == Counter(good)
    assert [event.payload.orders for event in numbers] == list(range(1, len(good) + 1))
    assert len(letters) == ORDERS // EVERY


class Siv:
    """AES-SIV, as an application has it."""

    def __init__(self, key: bytes) -> None:
        """By this key."""
        self._siv = AESSIV(key)

    def encrypt(self, data: bytes, /) -> bytes:
        """Encrypt."""
        return self._siv.encrypt(data, None)

    def decrypt(self, data: bytes, /) -> bytes:
        """Decrypt."""
        return self._siv.decrypt(data, None)


def test_another_cipher_is_refused_and_no_event_set_aside(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Under it no key of state would be found, and every count begin anew."""
    out, dead = f"{name}_out", f"{name}_dead"

    @stream_app(name, key_type=str, on_error=DeadLetterTopic(dead))
    def app(streams: Streams) -> None:
        streams.subscribe(orders, OrderPlaced).apply(counted, stateful=True).to(out)

    log.save(orders, Event("k", OrderPlaced("DE", 1)))
    with running.store(app, cipher=Siv(b"1" * 32)):
        running.wait_for(out, 1)
    log.save(orders, Event("k", OrderPlaced("DE", 2)))
    with pytest.raises(Refusal) as raised:
        running.store(app, cipher=Siv(b"2" * 32)).run()
    with running.store(app, cipher=Siv(b"1" * 32)):
        results = running.wait_for(out, 2)

    assert raised.value.name == "stream-record-format"
    assert [event.payload.orders for event in results] == [1, 2]
    assert running.messages(dead) == []
