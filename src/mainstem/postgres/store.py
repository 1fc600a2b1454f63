"""The stores that users hold, sync and async: thin faces over plans, drivers and writers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import UUID

from mainstem.correlation import carried, carried_all
from mainstem.event import Event, Position, StoredEvent
from mainstem.postgres.async_writer import AsyncWriter
from mainstem.postgres.drivers.lending import AsyncWithin, Within, lend, lend_async
from mainstem.postgres.drivers.sessions import AsyncSession, Session, connection_settings
from mainstem.postgres.following.batches import Request
from mainstem.postgres.following.faces import AsyncFollowing, Following
from mainstem.postgres.options import DEFAULT_PUBLICATION
from mainstem.postgres.parts import Parts, archived, chosen, many_ids, one_id, terms_of
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.reading.faces import AsyncReading, Reading
from mainstem.postgres.reading.pages import Pages
from mainstem.postgres.reading.selection import Selection, TypeFilter, checked_place, type_names
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.statements import Row
from mainstem.postgres.tokens import Token, taking
from mainstem.postgres.writer import Writer
from mainstem.registry.registry import Registry
from mainstem.terms import (
    ANY,
    NO_TERMS,
    AppendCondition,
    Decision,
    EventQuery,
    ExpectedVersion,
    Terms,
)
from mainstem.wire import Wire

if TYPE_CHECKING:
    from mainstem.postgres.reading.arrow import ArrowEvents

P = TypeVar("P")
T = TypeVar("T")


class Store:
    """What both faces are made of: the plans, and the address they are carried out at."""

    def __init__(self, parts: Parts) -> None:
        """Plan with these, and release what was made for this store at its end."""
        self._dsn = parts.dsn
        self._wire = parts.wire
        self._saving = Saving(parts.wire)
        self._archive = parts.archive
        self._pages = Pages(parts.wire, parts.archive and parts.archive.beside)
        self._release = parts.release

    @classmethod
    def open(
        cls,
        dsn: str,
        *,
        registry: Registry | None = None,
        types: Iterable[type] = (),
        archive: str | Path | None = None,
    ) -> Self:
        """A store, for `with` or `async with`, or until `close`; it connects when it has to.

        Payloads of `types` come back as their classes, others as GenericPayload. Schemas are
        kept in tables of the same database unless a registry is given. `read_all`, `read_rows`
        and `read_arrow` read the months in the folder `archive`, too, as if they were still in
        their tables; what cannot do so refuses topics that have such months.
        ConfigurationError if `dsn` cannot be an address, MissingExtra without [archive] for one.
        """
        connection_settings(dsn)
        registry, release = chosen(registry, dsn)
        parts, end = (None, release) if archive is None else archived(Path(archive), release)
        return cls(Parts(Wire(registry, types), dsn, release=end, archive=parts))

    def read_arrow(  # noqa: PLR0913  # The ways to narrow what is read, each of them optional.
        self,
        topic: str,
        *,
        after: int | None = None,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> ArrowEvents:
        """The events of a topic as columns, for whatever takes `__arrow_c_stream__`.

        pandas, Polars, DuckDB and pyarrow do. It is read batch by batch, on a connection of its
        own, by whoever it is given to. MissingExtra unless the extra [arrow] is installed.
        """
        from mainstem.postgres.reading import arrow  # noqa: PLC0415  # An optional package.

        selection = Selection(limit=limit, types=type_names(types), since=since, until=until)
        beside = self._archive and self._archive.beside
        return arrow.ArrowEvents(
            arrow.Request(self._dsn, self._wire, topic, selection, after, beside)
        )

    def _following(self, topic: str, after: int | Position | None, publication: str) -> Request:
        """What is to be followed; ConfigurationError for a place that is none."""
        if not isinstance(after, Position):
            checked_place(after)
            if after is not None and self._archive is not None:
                self._archive.refuse(topic, "follow(after=ID)")
        return Request(self._dsn, topic, after, self._wire.unpack, publication)

    def _complete(self, topic: str) -> None:
        """Refuse to decide on a part of a topic."""
        if self._archive is not None:
            self._archive.refuse(topic, "query()")

    def _waits(self, topic: str, terms: Terms) -> bool:
        """Whether a save may have to wait for the transactions of others."""
        return terms is not NO_TERMS or topic in self._saving.numbered


class PostgresEventStore(Store, Reading):
    """Saves events into the tables `events.<topic>`, and reads them; threads may share it.

    Without `within` a save is a transaction of its own: when it returns, the events are
    committed. Saves of several threads at the same time share a commit. With `within` they
    belong to the caller's transaction: they are there if it commits and nowhere if it rolls
    back, and the store neither begins nor ends it. It takes a psycopg connection, a session or
    connection of SQLAlchemy, and an alias or connection of Django.

    `expected_version` is the version that the stream must have before: a number, NO_STREAM,
    EXISTS or ANY. `event_id` makes a repeated save harmless: it returns the first one's event.
    `append_condition`, from `query`, demands that nothing came that the decision did not know.
    Where these are not met, ConcurrencyConflict tells so, and the caller's transaction goes on.

    Whatever is wrong with an event is raised before any row of the call is sent: UnknownTopic,
    WrongKeyType, UndeclaredPayload, ReservedMetadataName, ValueOutOfRange and the other kinds
    of EventRefused. ConnectionMisused tells of a connection that cannot be saved within.
    ServerUnavailable means that nothing was saved, but for its kind OutcomeUnknown: the
    connection broke during the commit, and nobody knows.
    """

    def __init__(self, parts: Parts) -> None:
        """Work on connections of its own to this address, opened when they are needed."""
        super().__init__(parts)
        dsn = parts.dsn
        self._writer = Writer(self._saving, Session(dsn))
        self._waiting_writer = Writer(self._saving, Session(dsn))
        self._session = Session(dsn)
        self._reading = Session(dsn)

    def save(  # noqa: PLR0913  # The terms of a save, each of them optional.
        self,
        topic: str,
        event: Event[P],
        *,
        within: Within | None = None,
        expected_version: ExpectedVersion = ANY,
        event_id: UUID | None = None,
        append_condition: AppendCondition | None = None,
    ) -> StoredEvent[P]:
        """Save the event; it comes back with the id of its row."""
        terms = terms_of(expected_version, one_id(event_id), append_condition)
        event = carried(event)
        if within is None:
            writer = self._waiting_writer if self._waits(topic, terms) else self._writer
            return writer.save(topic, Single(event, terms))
        return lend(within).run(lambda scope: self._saving.one(scope, topic, event, terms))

    def save_many(  # noqa: PLR0913  # As `save`.
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: Within | None = None,
        expected_version: ExpectedVersion = ANY,
        event_ids: Iterable[UUID] | None = None,
        append_condition: AppendCondition | None = None,
    ) -> list[StoredEvent[P]]:
        """Save all of the events or none; they come back in their order, with ascending ids.

        `event_ids` has one for each event; those that were saved before come back as they were.
        """
        terms = terms_of(expected_version, many_ids(event_ids), append_condition)
        carrying = carried_all(events)
        return self._run(lambda scope: self._saving.many(scope, topic, carrying, terms), within)

    def save_rows(
        self, topic: str, rows: Sequence[Row], *, within: Within | None = None
    ) -> list[int]:
        """Save events that were encoded before, all or none; their ids, in their order.

        Nothing is looked at but what PostgreSQL checks: for moving and for generating events.
        """
        return self._run(partial(self._saving.rows, topic=topic, rows=rows), within)

    def query(
        self, topic: str, event_query: EventQuery, *, within: Within | None = None
    ) -> Decision:
        """The events that fit, and the condition under which a decision on them may be saved."""
        self._complete(topic)
        plan = partial(self._saving.query, topic=topic, event_query=event_query)
        return self._read(plan, within)

    def follow(
        self,
        topic: str,
        *,
        after: int | Position | None = None,
        publication: str = DEFAULT_PUBLICATION,
    ) -> Following:
        """The events of a topic as they commit, in commit order, for ever; it has begun already.

        From now on; behind the id `after`, by id as far as they are in the table and then live;
        or behind the position `after` of an event that was followed. Close it at the end.
        A Refusal names what keeps it from being complete. The role needs REPLICATION, and the
        publication must hold the topic's table: that of the replicator does.
        """
        return Following(self._following(topic, after, publication))

    def token(self) -> Token:
        """A place behind every event that was committed before this call, by whomever.

        Take it after the commit, and give it to `wait_for` of a ProjectionWaiter.
        """
        return self._session.run(taking)

    def close(self) -> None:
        """Finish the saves that were accepted, and close what was opened; twice is fine."""
        for part in (self._writer, self._waiting_writer, self._session, self._reading):
            part.close()
        self._release()

    def _run(self, make_plan: Callable[[Scope], Plan[T]], within: Within | None) -> T:
        """Run a plan of a save of several events."""
        return self._session.run(make_plan) if within is None else lend(within).run(make_plan)

    def _read(self, make_plan: Callable[[Scope], Plan[T]], within: Within | None) -> T:
        """Run a plan that reads."""
        return self._reading.run(make_plan) if within is None else lend(within).run(make_plan)

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


class AsyncPostgresEventStore(Store, AsyncReading):
    """PostgresEventStore for asyncio, with the same promises; tasks of one loop may share it.

    `within` takes an asynchronous connection of psycopg or asyncpg, or an asynchronous session
    or connection of SQLAlchemy on either. A save that is cancelled is saved or not; the others
    that share its commit are not touched.
    """

    def __init__(self, parts: Parts) -> None:
        """Work on connections of its own to this address, opened when they are needed."""
        super().__init__(parts)
        dsn = parts.dsn
        self._writer = AsyncWriter(self._saving, (AsyncSession(dsn), AsyncSession(dsn)))
        self._waiting_writer = AsyncWriter(self._saving, (AsyncSession(dsn), AsyncSession(dsn)))
        self._session = AsyncSession(dsn)
        self._reading = AsyncSession(dsn)

    async def save(  # noqa: PLR0913  # The terms of a save, each of them optional.
        self,
        topic: str,
        event: Event[P],
        *,
        within: AsyncWithin | None = None,
        expected_version: ExpectedVersion = ANY,
        event_id: UUID | None = None,
        append_condition: AppendCondition | None = None,
    ) -> StoredEvent[P]:
        """Save the event; it comes back with the id of its row."""
        terms = terms_of(expected_version, one_id(event_id), append_condition)
        event = carried(event)
        if within is None:
            writer = self._waiting_writer if self._waits(topic, terms) else self._writer
            return await writer.save(topic, Single(event, terms))
        lent = lend_async(within)
        return await lent.run(lambda scope: self._saving.one(scope, topic, event, terms))

    async def save_many(  # noqa: PLR0913  # As `save`.
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        within: AsyncWithin | None = None,
        expected_version: ExpectedVersion = ANY,
        event_ids: Iterable[UUID] | None = None,
        append_condition: AppendCondition | None = None,
    ) -> list[StoredEvent[P]]:
        """As of PostgresEventStore: all of the events or none."""
        terms = terms_of(expected_version, many_ids(event_ids), append_condition)
        carrying = carried_all(events)
        return await self._run(
            lambda scope: self._saving.many(scope, topic, carrying, terms), within
        )

    async def save_rows(
        self, topic: str, rows: Sequence[Row], *, within: AsyncWithin | None = None
    ) -> list[int]:
        """As of PostgresEventStore: events that were encoded before."""
        return await self._run(partial(self._saving.rows, topic=topic, rows=rows), within)

    async def query(
        self, topic: str, event_query: EventQuery, *, within: AsyncWithin | None = None
    ) -> Decision:
        """As of PostgresEventStore: the events that fit, and a condition."""
        self._complete(topic)
        plan = partial(self._saving.query, topic=topic, event_query=event_query)
        return await self._read(plan, within)

    def follow(
        self,
        topic: str,
        *,
        after: int | Position | None = None,
        publication: str = DEFAULT_PUBLICATION,
    ) -> AsyncFollowing:
        """As of PostgresEventStore; it begins at `async with`, or else at its first event."""
        return AsyncFollowing(self._following(topic, after, publication))

    async def token(self) -> Token:
        """As of PostgresEventStore: a place behind every event that was committed before."""
        return await self._session.run(taking)

    async def close(self) -> None:
        """Finish the saves that were accepted, and close what was opened; twice is fine."""
        for part in (self._writer, self._waiting_writer, self._session, self._reading):
            await part.close()
        self._release()

    async def _run(self, make_plan: Callable[[Scope], Plan[T]], within: AsyncWithin | None) -> T:
        """Run a plan of a save of several events."""
        if within is None:
            return await self._session.run(make_plan)
        return await lend_async(within).run(make_plan)

    async def _read(self, make_plan: Callable[[Scope], Plan[T]], within: AsyncWithin | None) -> T:
        """Run a plan that reads."""
        if within is None:
            return await self._reading.run(make_plan)
        return await lend_async(within).run(make_plan)

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
