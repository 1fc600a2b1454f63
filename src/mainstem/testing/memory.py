"""Event stores in memory, sync and async: the faces of the PostgreSQL store without a server.

Events go through the real codec, so what PostgreSQL's store would refuse is refused here too,
and what comes back was written and read. What is not here: speed, disks, waiting for locks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar
from uuid import UUID

from mainstem.correlation import carried_all
from mainstem.errors import ConnectionMisused
from mainstem.event import Event, Key, StoredEvent
from mainstem.postgres.drivers.sqlstates import closed_store
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.reading.course import Course, Place, course_of
from mainstem.postgres.reading.folding import Evolve, Folding, Loaded
from mainstem.postgres.reading.selection import Selection, TypeFilter, type_names
from mainstem.terms import ANY, AppendCondition, Decision, EventQuery, ExpectedVersion, Terms
from mainstem.testing.memory_reading import MemoryPages, through
from mainstem.testing.memory_saving import MemorySaving
from mainstem.testing.memory_tables import MemoryDatabase, MemoryTransaction

P = TypeVar("P")
S = TypeVar("S")

Topics: TypeAlias = Mapping[str, TopicOptions] | Iterable[str] | None


class InMemoryEventStore:
    """PostgresEventStore without PostgreSQL, for tests; threads may share it.

    Without `topics` every topic is there: the first event's key decides the type of its keys, and
    it takes `expected_version` and `event_id`. With `topics`, names or a mapping from names to
    TopicOptions, these are there and no others, each with what its options say.

    `within=` takes a transaction of this store: `with store.transaction() as transaction: …`.
    """

    def __init__(self, *, topics: Topics = None, types: Iterable[type] = ()) -> None:
        """Empty. Payloads of classes that were saved here come back as these, without `types`."""
        self._database = MemoryDatabase(options_of(topics))
        self._saving = MemorySaving(types)
        self._pages = MemoryPages(self._saving.wire)
        self._closed = False

    def create_topic(self, topic: str, options: TopicOptions | None = None) -> None:
        """Make a topic, as `mainstem.postgres.create_topic` does; InvalidName and TopicExists."""
        self._database.create(topic, options or TopicOptions())

    def transaction(self) -> MemoryTransaction:
        """Begin a transaction; ConnectionMisused once the store is closed."""
        if self._closed:
            raise closed_store()
        return MemoryTransaction(self._database)

    def save(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        event: Event[P],
        *,
        within: MemoryTransaction | None = None,
        expected_version: ExpectedVersion = ANY,
        event_id: UUID | None = None,
        append_condition: AppendCondition | None = None,
    ) -> StoredEvent[P]:
        """Save the event; it comes back with its id, and its version in a versioned topic."""
        (stored,) = self.save_many(
            topic,
            (event,),
            within=within,
            expected_version=expected_version,
            event_ids=None if event_id is None else (event_id,),
            append_condition=append_condition,
        )
        return stored

    def save_many(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: MemoryTransaction | None = None,
        expected_version: ExpectedVersion = ANY,
        event_ids: Iterable[UUID] | None = None,
        append_condition: AppendCondition | None = None,
    ) -> list[StoredEvent[P]]:
        """Save all of the events or none; they come back in their order, with ascending ids."""
        terms = Terms(
            expected_version=expected_version,
            event_ids=None if event_ids is None else tuple(event_ids),
            append_condition=append_condition,
        )
        carrying = carried_all(events)
        # Held until the commit: a save of its own never meets another one.
        with self._database.lock, self._scope(within) as transaction:
            return self._saving.save(transaction, topic, carrying, terms)

    def read(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        *,
        key: Key,
        after: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
        within: MemoryTransaction | None = None,
    ) -> Iterator[StoredEvent[Any]]:
        """The events with this key, in the order of their ids, or the last one first."""
        selection = Selection(
            key=key,
            backwards=backwards,
            limit=limit,
            types=type_names(types),
            since=since,
            until=until,
        )
        course = Course(self._pages, topic, selection, after)
        return through(course, lambda: self._scope(within))

    def read_all(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        *,
        after: Place = None,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[StoredEvent[Any]]:
        """All events of a topic in the order of their ids, or of the topics of a pattern."""
        selection = Selection(limit=limit, types=type_names(types), since=since, until=until)
        course = course_of(self._pages, topic, selection, after)
        return through(course, lambda: self._scope(None))

    def load(
        self,
        topic: str,
        key: Key,
        evolve: Evolve[S],
        initial: S,
        *,
        within: MemoryTransaction | None = None,
    ) -> Loaded[S]:
        """Fold the events with this key: `evolve(state, stored_event)` gives the next state."""
        folding = Folding(evolve, initial)
        folding.take(self.read(topic, key=key, within=within))
        return folding.loaded

    def query(
        self, topic: str, event_query: EventQuery, *, within: MemoryTransaction | None = None
    ) -> Decision:
        """The events that fit, and the condition that no other of them came since."""
        with self._scope(within) as transaction:
            return self._saving.query(transaction, topic, event_query)

    def close(self) -> None:
        """Save and read no more; twice is fine."""
        self._closed = True

    def _scope(self, within: MemoryTransaction | None) -> AbstractContextManager[MemoryTransaction]:
        """A transaction of its own, or the caller's, which stays open; ConnectionMisused."""
        own = self.transaction()
        if within is None:
            return own
        if not isinstance(within, MemoryTransaction) or within.database is not self._database:
            raise ConnectionMisused(
                f"within= cannot be a {type(within).__qualname__} here",
                hint="it takes what this store's own transaction() gives",
            )
        within.check_open()
        return nullcontext(within)

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()


class AsyncInMemoryEventStore:
    """AsyncPostgresEventStore without PostgreSQL; as InMemoryEventStore, for asyncio.

    Its transactions are for `async with store.transaction() as transaction: …`.
    """

    def __init__(self, *, topics: Topics = None, types: Iterable[type] = ()) -> None:
        """Empty, as InMemoryEventStore."""
        self._store = InMemoryEventStore(topics=topics, types=types)

    def create_topic(self, topic: str, options: TopicOptions | None = None) -> None:
        """As of InMemoryEventStore."""
        self._store.create_topic(topic, options)

    def transaction(self) -> MemoryTransaction:
        """Begin a transaction; ConnectionMisused once the store is closed."""
        return self._store.transaction()

    async def save(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        event: Event[P],
        *,
        within: MemoryTransaction | None = None,
        expected_version: ExpectedVersion = ANY,
        event_id: UUID | None = None,
        append_condition: AppendCondition | None = None,
    ) -> StoredEvent[P]:
        """As of InMemoryEventStore."""
        return self._store.save(
            topic,
            event,
            within=within,
            expected_version=expected_version,
            event_id=event_id,
            append_condition=append_condition,
        )

    async def save_many(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: MemoryTransaction | None = None,
        expected_version: ExpectedVersion = ANY,
        event_ids: Iterable[UUID] | None = None,
        append_condition: AppendCondition | None = None,
    ) -> list[StoredEvent[P]]:
        """As of InMemoryEventStore."""
        return self._store.save_many(
            topic,
            events,
            within=within,
            expected_version=expected_version,
            event_ids=event_ids,
            append_condition=append_condition,
        )

    def read(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        *,
        key: Key,
        after: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
        within: MemoryTransaction | None = None,
    ) -> AsyncIterator[StoredEvent[Any]]:
        """As of InMemoryEventStore."""
        events = self._store.read(
            topic,
            key=key,
            after=after,
            backwards=backwards,
            limit=limit,
            types=types,
            since=since,
            until=until,
            within=within,
        )
        return awaited(events)

    def read_all(  # noqa: PLR0913  # The face of the real store.
        self,
        topic: str,
        *,
        after: Place = None,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[StoredEvent[Any]]:
        """As of InMemoryEventStore."""
        events = self._store.read_all(
            topic, after=after, limit=limit, types=types, since=since, until=until
        )
        return awaited(events)

    async def load(
        self,
        topic: str,
        key: Key,
        evolve: Evolve[S],
        initial: S,
        *,
        within: MemoryTransaction | None = None,
    ) -> Loaded[S]:
        """As of InMemoryEventStore."""
        return self._store.load(topic, key, evolve, initial, within=within)

    async def query(
        self, topic: str, event_query: EventQuery, *, within: MemoryTransaction | None = None
    ) -> Decision:
        """As of InMemoryEventStore."""
        return self._store.query(topic, event_query, within=within)

    async def close(self) -> None:
        """Save and read no more; twice is fine."""
        self._store.close()

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.close()


async def awaited(events: Iterable[StoredEvent[Any]]) -> AsyncIterator[StoredEvent[Any]]:
    """The events for `async for`."""
    for event in events:
        yield event


def options_of(topics: Topics) -> Mapping[str, TopicOptions] | None:
    """The options of each declared topic."""
    if topics is None or isinstance(topics, Mapping):
        return topics
    return dict.fromkeys(topics, TopicOptions())
