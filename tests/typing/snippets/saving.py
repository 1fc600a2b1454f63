"""Types of saving and reading, as an application sees them; nothing here is ever run.

A line that must be an error says so to mypy and to Pyright, and each of them refuses a line that
says so without being one: so the errors are exactly these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, assert_type
from uuid import UUID

from mainstem import Event, Int32, StoredEvent, event_type
from mainstem.correlation import metadata
from mainstem.postgres import AsyncPostgresEventStore, PostgresEventStore
from mainstem.terms import ANY, EXISTS, NO_STREAM, AppendCondition, EventQuery


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """A payload."""

    count: Int32


@event_type("com.example.typing")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPaid:
    """Another payload."""

    paid: bool


KEY = UUID(int=1)
PLACED = OrderPlaced(count=1)
EVENT = Event(KEY, PLACED)

assert_type(EVENT, Event[OrderPlaced])
assert_type(EVENT.payload.count, int)
assert_type(EVENT.payload, OrderPlaced)
COUNTRY = EVENT.payload.country  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
EVENT.payload = PLACED  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
Event(1.5, PLACED)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Event(KEY, PLACED, metadata={"actor": "ada"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]


def saving(store: PostgresEventStore) -> None:
    """What comes back knows the payload's class."""
    stored = store.save("order_events", EVENT)
    assert_type(stored, StoredEvent[OrderPlaced])
    assert_type(stored.payload, OrderPlaced)
    assert_type(stored.version, int | None)
    assert_type(store.save_many("order_events", [EVENT]), list[StoredEvent[OrderPlaced]])
    assert_type(store.save_many("order_events", iter([EVENT])), list[StoredEvent[OrderPlaced]])
    store.save("order_events", PLACED)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save_many("order_events", EVENT)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    paid: StoredEvent[OrderPaid] = store.save("order_events", EVENT)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    assert paid.payload.paid


def terms(store: PostgresEventStore) -> None:
    """The terms of a save."""
    store.save("order_events", EVENT, expected_version=3, event_id=KEY)
    for expected in (ANY, EXISTS, NO_STREAM):
        store.save("order_events", EVENT, expected_version=expected)
    store.save_many("order_events", [EVENT], event_ids=[KEY])
    decision = store.query("order_events", EventQuery(types=(OrderPlaced,)))
    assert_type(decision.condition, AppendCondition)
    store.save("order_events", EVENT, append_condition=decision.condition)
    store.save("order_events", EVENT, expected_version="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, expected_version=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, event_id="a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.save("order_events", EVENT, append_condition=decision)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def asynchronous(store: AsyncPostgresEventStore) -> None:
    """The asynchronous face has the same types."""
    assert_type(await store.save("order_events", EVENT), StoredEvent[OrderPlaced])
    assert_type(await store.save_many("order_events", [EVENT]), list[StoredEvent[OrderPlaced]])
    assert_type(store.read("order_events", key=KEY), AsyncIterator[StoredEvent[Any]])
    async for stored in store.read_all("*_events", types=[OrderPlaced]):
        assert_type(stored, StoredEvent[Any])
    loaded = await store.load("order_events", KEY, count, 0)
    assert_type(loaded.state, int)
    await store.save("order_events", EVENT, expected_version="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for stored in store.read_all("order_events"):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        assert stored


def reading(store: PostgresEventStore) -> None:
    """What comes back from a topic is of a class that the reader knows."""
    assert_type(store.read("order_events", key=KEY, limit=1), Iterator[StoredEvent[Any]])
    assert_type(store.load("order_events", KEY, count, 0).state, int)
    assert_type(store.load("order_events", KEY, count, 0).version, int)
    store.read("order_events")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    store.read("order_events", key=KEY, types=OrderPlaced)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    store.load("order_events", KEY, count, "0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def count(state: int, _event: StoredEvent[Any]) -> int:
    """A state that counts events."""
    return state + 1


@metadata(actor="ada", tenant=KEY)
def decorated(number: int) -> str:
    """A function that is a block."""
    return str(number)


@metadata(actor="ada")
async def decorated_async(number: int) -> str:
    """A coroutine function that is a block."""
    return str(number)


async def carrying() -> None:
    """A decorated function keeps its type; entries are text, bytes, UUID or int."""
    assert_type(decorated(1), str)
    assert_type(await decorated_async(1), str)
    decorated("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    metadata(actor=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    metadata("ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
