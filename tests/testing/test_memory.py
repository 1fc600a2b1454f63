"""The stores in memory: what they do beyond the contract that they share with the real ones."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from mainstem.errors import (
    ConcurrencyConflict,
    ConnectionMisused,
    InvalidName,
    TopicExists,
    UnknownTopic,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import Event, Key
from mainstem.postgres.options import TopicOptions
from mainstem.terms import EventQuery
from mainstem.testing import AsyncInMemoryEventStore, InMemoryEventStore
from mainstem.testing.contract import PAYLOADS
from mainstem.testing.contract_face import Counted, counted, placed


def test_without_topics_every_topic_is_there() -> None:
    """Save with every kind of term to a name that nobody declared, and read it and another."""
    store, key, event_id = InMemoryEventStore(), uuid4(), uuid4()

    stored = store.save("order_events", counted(key=key), expected_version=0, event_id=event_id)

    assert store.save("order_events", counted(key=key), event_id=event_id) == stored
    assert stored.version == 1
    assert list(store.read_all("*")) == [stored]
    assert list(store.read("other_events", key="any")) == []


@pytest.mark.parametrize(
    ("key", "other"), [("a", 1), (1, "a"), (True, 1), (b"a", "a"), (UUID(int=1), "a")]
)
def test_the_first_key_decides_the_type_of_keys(key: Key, other: Key) -> None:
    """Save a key of one type, then one of another, then read by it."""
    store = InMemoryEventStore()
    store.save("order_events", counted(key=key))

    with pytest.raises(WrongKeyType):
        store.save("order_events", counted(key=other))
    with pytest.raises(WrongKeyType):
        list(store.read("order_events", key=other))

    assert len(list(store.read("order_events", key=key))) == 1


def test_declared_topics_are_the_only_ones() -> None:
    """Declare by names and by options, and use what is declared and what is not."""
    named = InMemoryEventStore(topics=["order_events"])
    small = TopicOptions(key_type="text", data_bytes_max=8)
    optioned = InMemoryEventStore(topics={"order_events": small})

    named.save("order_events", counted())
    with pytest.raises(UnknownTopic):
        named.save("other_events", counted())
    with pytest.raises(UnknownTopic):
        list(named.read_all("other_events"))
    with pytest.raises(ValueOutOfRange, match="8 at most"):
        optioned.save("order_events", Event("a", placed()))
    with pytest.raises(TopicExists):
        named.create_topic("order_events")
    with pytest.raises(InvalidName):
        InMemoryEventStore(topics=["Orders"])


def test_what_comes_back_was_written_and_read() -> None:
    """Read an event twice: it equals what was saved, and its payload is another object."""
    store = InMemoryEventStore()
    stored = store.save("order_events", Event(uuid4(), placed()))

    (first,) = store.read_all("order_events")
    (second,) = store.read_all("order_events")

    assert first == second == stored
    assert first.payload is not stored.payload


@pytest.mark.parametrize("types", [(), PAYLOADS])
def test_payloads_come_back_as_their_classes(types: tuple[type, ...]) -> None:
    """Save without and with `types`, and read by the class: it is the class that comes back."""
    store = InMemoryEventStore(types=types)
    store.save("order_events", counted(1))

    (found,) = store.read_all("order_events", types=[Counted])

    assert found.payload == Counted(count=1)


def test_the_second_of_two_transactions_meets_the_first() -> None:
    """Save to one stream in two open transactions: the second commit is a conflict."""
    store, key = InMemoryEventStore(), uuid4()
    one, two = store.transaction(), store.transaction()
    store.save("order_events", counted(1, key=key), within=one, expected_version=0)
    store.save("order_events", counted(2, key=key), within=two, expected_version=0)
    one.commit()

    with pytest.raises(ConcurrencyConflict) as conflict:
        two.commit()

    assert (conflict.value.expected, conflict.value.actual) == (0, 1)
    assert [event.payload.count for event in store.read_all("order_events")] == [1]


def test_a_condition_is_tested_again_with_the_commit() -> None:
    """Let a relevant event commit between a conditional save and its commit."""
    store = InMemoryEventStore(topics=["order_events"])
    condition = store.query("order_events", EventQuery(types=(Counted,))).condition
    transaction = store.transaction()
    store.save("order_events", counted(1), within=transaction, append_condition=condition)
    store.save("order_events", counted(2))

    with pytest.raises(ConcurrencyConflict, match="append_condition"):
        transaction.commit()


def test_one_id_in_two_transactions_is_saved_once() -> None:
    """Save with one event_id in two open transactions: the second commit is a conflict."""
    store, event_id = InMemoryEventStore(), uuid4()
    one, two = store.transaction(), store.transaction()
    store.save("order_events", counted(), within=one, event_id=event_id)
    store.save("order_events", counted(), within=two, event_id=event_id)
    one.commit()

    with pytest.raises(ConcurrencyConflict, match="event_id"):
        two.commit()


def test_ids_are_drawn_before_the_commit() -> None:
    """A lower id can commit after a higher one, and a rollback leaves a gap, as a sequence does."""
    store = InMemoryEventStore()
    early, lost = store.transaction(), store.transaction()
    store.save("order_events", counted(1), within=early)
    store.save("order_events", counted(2), within=lost)
    store.save("order_events", counted(3))
    lost.rollback()
    early.commit()

    assert [event.id for event in store.read_all("order_events")] == [1, 3]


def test_a_transaction_that_ended_is_refused() -> None:
    """Save within what has committed, what has rolled back, and what is another store's."""
    store, other = InMemoryEventStore(), InMemoryEventStore()
    with store.transaction() as committed:
        pass
    gone = store.transaction()
    gone.rollback()

    for transaction in (committed, gone):
        with pytest.raises(ConnectionMisused, match="ended"):
            store.save("order_events", counted(), within=transaction)
        with pytest.raises(ConnectionMisused, match="ended"):
            transaction.commit()
    with pytest.raises(ConnectionMisused, match="within="):
        store.save("order_events", counted(), within=other.transaction())


async def test_the_async_store_has_the_same_events() -> None:
    """Use each method of the asynchronous face once."""
    async with AsyncInMemoryEventStore(topics={"order_events": TopicOptions()}) as store:
        store.create_topic("other_events")
        async with store.transaction() as transaction:
            stored = await store.save("order_events", counted(), within=transaction)
        read = [event async for event in store.read("order_events", key=stored.key)]
        found = [
            event
            async for event in store.read_all("*_events", since=datetime(2000, 1, 1, tzinfo=UTC))
        ]

        assert read == found == [stored]


def test_memory_needs_no_driver() -> None:
    """Tests without servers run without psycopg: import and use the store, and look."""
    code = (
        "import sys; from mainstem.testing import InMemoryEventStore as S;"
        " list(S().read_all('order_events'));"
        " print([n for n in ('psycopg', 'pytest', 'asyncpg', 'sqlalchemy') if n in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "[]\n"
