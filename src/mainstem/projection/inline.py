"""Inline: projections that change in the transaction of the save itself.

What the save's transaction holds, its read models hold: they are never behind, and saves wait for
one another where they change the same row. Without `within` the save is a transaction of its own
on a connection of ours, one after another: it shares no commit with others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any, Self, TypeVar

import psycopg

from mainstem.errors import ConfigurationError
from mainstem.event import Event, StoredEvent
from mainstem.postgres.drivers.loop import drive, drive_async
from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.projection.applying import Application, handling
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.furnishing import furnish
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.desks import AsyncDesk, Desk, desk_of
from mainstem.projection.kinds.fitting import fitting, fitting_async
from mainstem.projection.kinds.table import is_asynchronous
from mainstem.projection.transactions import async_performer, performer

P = TypeVar("P")


class InlineProjections:
    """Saves events by a store, and lets projections apply them before the transaction ends.

    Its projections' handlers are plain functions; those of their `topics` are called. What a
    handler raises is raised by the save, and the transaction is to be rolled back: one of its own
    is. `mainstem project` must not run the same projections.
    """

    def __init__(
        self,
        store: PostgresEventStore,
        dsn: str,
        *projections: Projection | type[Projection],
    ) -> None:
        """Make the tables that projections bring; ConfigurationError for what cannot be inline."""
        self._store = store
        self._definitions = defined(projections, asynchronous=False)
        for definition in self._definitions:
            furnish(definition, definition.seat, dsn)
        kind, schema = common(self._definitions)
        self._desk: Desk = desk_of(kind or psycopg.Connection, Address(dsn, schema))
        self._lock = threading.Lock()

    def save(
        self, topic: str, event: Event[P], *, within: Any = None, **terms: Any
    ) -> StoredEvent[P]:
        """As the store's `save`, with its terms; read models are changed when it returns."""
        return self.save_many(topic, [event], within=within, **single(terms))[0]

    def save_many(
        self, topic: str, events: Iterable[Event[P]], *, within: Any = None, **terms: Any
    ) -> list[StoredEvent[P]]:
        """As the store's `save_many`: all of the events and what they change, or nothing."""
        if within is not None:
            return self._saved(topic, events, within, terms)
        with self._lock, self._desk.begin() as tx:
            return self._saved(topic, events, tx, terms)

    def close(self) -> None:
        """Close the connection of its own; the store is left open."""
        self._desk.close()

    def __enter__(self) -> Self:
        """The same."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _saved(
        self, topic: str, events: Iterable[Event[P]], within: Any, terms: dict[str, Any]
    ) -> list[StoredEvent[P]]:
        stored = self._store.save_many(topic, events, within=within, **terms)
        for definition in self._definitions:
            if topic in definition.topics:
                try:
                    drive(
                        steps(definition, stored),
                        performer(fitting(within, definition.transaction)),
                    )
                except HandlerFailed as failed:
                    raise failed.reason from None
        return stored


class AsyncInlineProjections:
    """InlineProjections for asyncio; handlers are coroutines, run on the caller's loop."""

    def __init__(
        self,
        store: AsyncPostgresEventStore,
        dsn: str,
        *projections: Projection | type[Projection],
    ) -> None:
        """Keep them; their tables are made at the first save."""
        self._store = store
        self._dsn = dsn
        self._definitions = defined(projections, asynchronous=True)
        kind, schema = common(self._definitions)
        self._desk: AsyncDesk = desk_of(kind or psycopg.AsyncConnection, Address(dsn, schema))
        self._lock = asyncio.Lock()
        self._furnished = False

    async def save(
        self, topic: str, event: Event[P], *, within: Any = None, **terms: Any
    ) -> StoredEvent[P]:
        """As of InlineProjections."""
        return (await self.save_many(topic, [event], within=within, **single(terms)))[0]

    async def save_many(
        self, topic: str, events: Iterable[Event[P]], *, within: Any = None, **terms: Any
    ) -> list[StoredEvent[P]]:
        """As of InlineProjections."""
        if not self._furnished:
            for definition in self._definitions:
                await asyncio.to_thread(furnish, definition, definition.seat, self._dsn)
            self._furnished = True
        if within is not None:
            return await self._saved(topic, events, within, terms)
        async with self._lock, self._desk.begin() as tx:
            return await self._saved(topic, events, tx, terms)

    async def close(self) -> None:
        """As of InlineProjections."""
        await self._desk.close()

    async def __aenter__(self) -> Self:
        """The same."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def _saved(
        self, topic: str, events: Iterable[Event[P]], within: Any, terms: dict[str, Any]
    ) -> list[StoredEvent[P]]:
        stored = await self._store.save_many(topic, events, within=within, **terms)
        for definition in self._definitions:
            if topic in definition.topics:
                perform = async_performer(await fitting_async(within, definition.transaction))
                try:
                    await drive_async(steps(definition, stored), perform)
                except HandlerFailed as failed:
                    raise failed.reason from None
        return stored


def defined(
    projections: Iterable[Projection | type[Projection]], *, asynchronous: bool
) -> tuple[Definition, ...]:
    """What the classes say; ConfigurationError for one of the other world."""
    definitions = tuple(map(define, projections))
    for definition in definitions:
        kind = definition.transaction
        if kind is not None and is_asynchronous(kind) is not asynchronous:
            face = "InlineProjections" if is_asynchronous(kind) else "AsyncInlineProjections"
            raise ConfigurationError(
                f"{definition.name} takes a {kind.__name__}, which {face} cannot give",
                hint="use the other of the two, InlineProjections or AsyncInlineProjections",
            )
    return definitions


def common(definitions: tuple[Definition, ...]) -> tuple[type | None, str]:
    """The kind of transaction and the schema that all of them take."""
    kinds = {each.transaction for each in definitions if each.transaction is not None}
    schemas = {each.schema for each in definitions}
    if len(kinds) > 1 or len(schemas) != 1:
        raise ConfigurationError(
            "inline projections must take one kind of transaction, and be in one schema",
            hint="make one InlineProjections of each kind",
        )
    return (kinds.pop() if kinds else None), schemas.pop()


def steps(definition: Definition, stored: list[StoredEvent[Any]]) -> Application:
    """What a projection does about events that were saved just now."""
    handled = [each for each in stored if wanted(definition, each)]
    return handling(definition, handled)


def wanted(definition: Definition, event: StoredEvent[Any]) -> bool:
    """Whether it takes payloads of this class."""
    return definition.wanted is None or type(event.payload) in definition.types


def single(terms: dict[str, Any]) -> dict[str, Any]:
    """The terms of a save of one event, as `save_many` takes them."""
    event_id = terms.pop("event_id", None)
    return terms if event_id is None else {**terms, "event_ids": [event_id]}
