"""The face that the contract's cases see: one way to use a store, sync or async."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest

from mainstem.event import Event, Key, StoredEvent
from mainstem.postgres.options import TopicOptions
from mainstem.schema.declare import Dec, Int32, event_type

WRITERS = 16
"""How many save at the same time, where the contract is about that."""


@event_type("mainstem.contract")
@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A payload with values of many kinds."""

    order_id: UUID
    country: str
    total: Annotated[Decimal, Dec(12, 2)]
    placed_at: datetime
    items: list[Int32]
    note: str | None = None


@event_type("mainstem.contract")
@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A small payload."""

    count: Int32


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A payload that nobody declared."""

    count: int


PAYLOADS: tuple[type, ...] = (Placed, Counted)
"""What a store must be opened with, as `types=`."""


def placed() -> Placed:
    """A payload whose values are lost or changed by careless codecs."""
    return Placed(
        order_id=uuid4(),
        country="Österreich 🇦🇹",
        total=Decimal("-1234567.80"),
        placed_at=datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
        items=[0, -1, 2**31 - 1],
    )


def counted(count: int = 0, *, key: Key | None = None, **metadata: bytes) -> Event[Counted]:
    """A small event, with a key of its own unless one is given."""
    return Event(uuid4() if key is None else key, Counted(count=count), metadata=metadata)


class Face:
    """A store as the cases use it; each method waits for what the store does."""

    def __init__(self, store: Any, new_topic: Callable[[TopicOptions], Any]) -> None:
        """Adapt this store, whose topics are made by `new_topic`."""
        self.store = store
        self._new_topic = new_topic

    async def topic(self, **options: Any) -> str:
        """A topic without events."""
        return str(await settled(self._new_topic(TopicOptions(**options))))

    async def save(self, topic: str, event: Any, **terms: Any) -> StoredEvent[Any]:
        """Save one event."""
        stored: StoredEvent[Any] = await settled(self.store.save(topic, event, **terms))
        return stored

    async def save_many(
        self, topic: str, events: Iterable[Any], **terms: Any
    ) -> list[StoredEvent[Any]]:
        """Save several events."""
        stored: list[StoredEvent[Any]] = await settled(self.store.save_many(topic, events, **terms))
        return stored

    async def at_once(self, saves: Iterable[Callable[[], Any]]) -> list[Any]:
        """Do all of them at the same time, in tasks or threads; answers or errors, in order."""
        return await asyncio.gather(*map(begun, saves), return_exceptions=True)

    async def read(self, topic: str, **selection: Any) -> list[StoredEvent[Any]]:
        """The events of a key."""
        return await listed(self.store.read(topic, **selection))

    async def read_all(self, topic: str, **selection: Any) -> list[StoredEvent[Any]]:
        """The events of a topic."""
        return await listed(self.store.read_all(topic, **selection))

    async def load(self, *stream: Any, **terms: Any) -> Any:
        """A state, with the version of its stream."""
        return await settled(self.store.load(*stream, **terms))

    async def query(self, *query: Any, **terms: Any) -> Any:
        """Events with a condition."""
        return await settled(self.store.query(*query, **terms))

    async def close(self) -> None:
        """Close the store."""
        await settled(self.store.close())


class Cases:
    """What all parts of the contract stand on: the fixtures, of which a store's tests give three.

    `store` is the store, `new_topic` a function from TopicOptions to the name of a new topic, and
    `transaction` a function to a context manager, of either kind, for what `within=` takes.
    """

    @pytest.fixture
    def store(self) -> Any:
        """The store: to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def new_topic(self) -> Callable[[TopicOptions], Any]:
        """How topics are made, sync or async: to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def transaction(self, store: Any) -> Callable[[], Any]:
        """How transactions are begun: to be overridden where the store does not do that."""
        begin: Callable[[], Any] = store.transaction
        return begin

    @pytest.fixture
    def face(self, store: Any, new_topic: Callable[[TopicOptions], Any]) -> Face:
        """The store as the cases use it."""
        return Face(store, new_topic)

    @pytest.fixture
    def begin(self, transaction: Callable[[], Any]) -> Callable[[], Any]:
        """Transactions for `async with`, whatever the store's are."""
        return lambda: entered(transaction())


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """The block of a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def settled(value: Any) -> Any:
    """The value itself, awaited if an asynchronous store gave it."""
    return await value if inspect.isawaitable(value) else value


async def begun(call: Callable[[], Any]) -> Any:
    """The answer of a call: of a coroutine as a task, of anything else from a thread."""
    # An asynchronous method only makes its coroutine in the thread, which then runs here.
    return await settled(await asyncio.to_thread(call))


async def listed(events: Any) -> list[StoredEvent[Any]]:
    """All events of an iterator of either kind."""
    if hasattr(events, "__aiter__"):
        return [event async for event in events]
    return list(events)
