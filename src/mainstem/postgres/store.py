"""The stores that users hold, sync and async: thin faces over one plan and one driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg

from mainstem.event import Event, StoredEvent
from mainstem.postgres.drivers.psycopg import lent, run, run_async, scope
from mainstem.postgres.drivers.sessions import AsyncSession, Session, connection_settings
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.writer import AsyncWriter, Writer
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry, Registry
from mainstem.wire import Wire

P = TypeVar("P")
T = TypeVar("T")


class PostgresEventStore:
    """Saves events into the tables `events.<topic>`; threads may share it.

    Without `within` a save is a transaction of its own: when it returns, the events are
    committed. With `within=connection` they belong to the caller's transaction: they are there
    if it commits and nowhere if it rolls back, and the store neither begins nor ends it.

    Whatever is wrong with an event is raised before any row of the call is sent: UnknownTopic,
    WrongKeyType, UndeclaredPayload, ReservedMetadataName, ValueOutOfRange and the other kinds
    of EventRefused. ConnectionMisused tells of a connection that cannot be saved within.
    ServerUnavailable says so where it leaves open whether the events were saved.
    """

    def __init__(self, saving: Saving, dsn: str, release: Callable[[], None]) -> None:
        """Save on connections of its own to this address, and release the rest at the end."""
        self._saving = saving
        self._writer = Writer(saving, Session(dsn))
        self._session = Session(dsn)
        self._release = release

    @classmethod
    def open(
        cls, dsn: str, *, registry: Registry | None = None, types: Iterable[type] = ()
    ) -> Self:
        """A store, for `with` or until `close`; it connects when it first has to.

        Schemas are kept in tables of the same database unless a registry is given.
        ConfigurationError if `dsn` cannot be an address.
        """
        connection_settings(dsn)
        registry, release = chosen(registry, dsn)
        return cls(Saving(Wire(registry, types)), dsn, release)

    def save(
        self, topic: str, event: Event[P], *, within: psycopg.Connection[Any] | None = None
    ) -> StoredEvent[P]:
        """Save the event; it comes back with the id of its row."""
        if within is None:
            return self._writer.save(topic, Single(event))
        return self._run(partial(self._saving.one, topic=topic, event=event), within)

    def save_many(
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: psycopg.Connection[Any] | None = None,
    ) -> list[StoredEvent[P]]:
        """Save all of the events or none; they come back in their order, with ascending ids."""
        return self._run(partial(self._saving.many, topic=topic, events=list(events)), within)

    def close(self) -> None:
        """Finish the saves that were accepted, and close what was opened; twice is fine."""
        self._writer.close()
        self._session.close()
        self._release()

    def _run(
        self, make_plan: Callable[[Scope], Plan[T]], within: psycopg.Connection[Any] | None
    ) -> T:
        if within is None:
            return self._session.run(make_plan)
        connection = lent(within, psycopg.Connection)
        return run(connection, make_plan(scope(connection, own=False)))

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


class AsyncPostgresEventStore:
    """PostgresEventStore for asyncio, with the same promises; tasks of one loop may share it."""

    def __init__(self, saving: Saving, dsn: str, release: Callable[[], None]) -> None:
        """Save on connections of its own to this address, and release the rest at the end."""
        self._saving = saving
        self._writer = AsyncWriter(saving, [AsyncSession(dsn), AsyncSession(dsn)])
        self._session = AsyncSession(dsn)
        self._release = release

    @classmethod
    def open(
        cls, dsn: str, *, registry: Registry | None = None, types: Iterable[type] = ()
    ) -> Self:
        """A store, for `async with` or until `close`; it connects when it first has to.

        Schemas are kept in tables of the same database unless a registry is given.
        ConfigurationError if `dsn` cannot be an address.
        """
        connection_settings(dsn)
        registry, release = chosen(registry, dsn)
        return cls(Saving(Wire(registry, types)), dsn, release)

    async def save(
        self, topic: str, event: Event[P], *, within: psycopg.AsyncConnection[Any] | None = None
    ) -> StoredEvent[P]:
        """Save the event; it comes back with the id of its row."""
        if within is None:
            return await self._writer.save(topic, Single(event))
        return await self._run(partial(self._saving.one, topic=topic, event=event), within)

    async def save_many(
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: psycopg.AsyncConnection[Any] | None = None,
    ) -> list[StoredEvent[P]]:
        """Save all of the events or none; they come back in their order, with ascending ids."""
        make_plan = partial(self._saving.many, topic=topic, events=list(events))
        return await self._run(make_plan, within)

    async def close(self) -> None:
        """Finish the saves that were accepted, and close what was opened; twice is fine."""
        await self._writer.close()
        await self._session.close()
        self._release()

    async def _run(
        self, make_plan: Callable[[Scope], Plan[T]], within: psycopg.AsyncConnection[Any] | None
    ) -> T:
        if within is None:
            return await self._session.run(make_plan)
        connection = lent(within, psycopg.AsyncConnection)
        return await run_async(connection, make_plan(scope(connection, own=False)))

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


def chosen(registry: Registry | None, dsn: str) -> tuple[Registry, Callable[[], None]]:
    """The registry to use, and how to release it: a given one belongs to its giver."""
    if registry is not None:
        return registry, nothing
    own = CachingRegistry(PostgresRegistry(dsn))
    return own, own.close


def nothing() -> None:
    """Leave a registry alone that somebody else opened."""
