"""Pages that are cut by bytes: whoever counts them, no row is left out."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg

from mainstem.event import Event
from mainstem.postgres import PostgresEventStore, TopicOptions, create_topic
from mainstem.registry.memory import MemoryRegistry
from tests.postgres.payloads import Noted

KEY = "注文" * 2000
COUNT = 40


def test_rows_with_keys_of_several_bytes_a_letter_all_come(
    store_database: str, observer: psycopg.Connection[Any]
) -> None:
    """Aim: PostgreSQL counts bytes where Python counts letters. Method: 40 large rows, all ways."""
    topic = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(key_type="text"))
    with PostgresEventStore.open(store_database, registry=MemoryRegistry(), types=[Noted]) as store:
        store.save_many(
            topic, [Event(KEY, Noted(text="x" * 400_000, count=n)) for n in range(COUNT)]
        )
        every = [event.payload.count for event in store.read_all(topic)]
        by_key = [event.payload.count for event in store.read(topic, key=KEY)]
        backwards = [event.payload.count for event in store.read(topic, key=KEY, backwards=True)]
        rows = sum(1 for _ in store.read_rows(topic))
        loaded = store.load(topic, KEY, lambda count, _: count + 1, 0)

    assert every == by_key == backwards[::-1] == [*range(COUNT)]
    assert rows == COUNT
    assert (loaded.state, loaded.version) == (COUNT, COUNT)
