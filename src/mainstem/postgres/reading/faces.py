"""Faces: what a store hands out for reading, thin over courses, and one for each world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from mainstem.event import Key, StoredEvent
from mainstem.postgres.drivers.lending import AsyncWithin, Within
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.reading.course import AnyCourse, Course, Place, RowCourse, course_of
from mainstem.postgres.reading.decoding import StoredRow
from mainstem.postgres.reading.folding import Evolve, Folding, Loaded
from mainstem.postgres.reading.pages import Pages
from mainstem.postgres.reading.selection import Selection, TypeFilter, type_names

S = TypeVar("S")
T = TypeVar("T")


class Reading:
    """Reads events back; part of PostgresEventStore.

    Events come in the order of their ids, page by page: between two pages nothing is open. Ids
    are drawn when an event is saved, not when its transaction commits, so a low id may become
    visible after a higher one: whoever goes on behind the last id he saw can miss events.
    `follow()` and Kafka give the order of the commits and miss nothing.

    An event that cannot be decoded raises DecodeError, with its topic and id, behind all that
    stand before it; nothing is skipped.
    """

    _pages: Pages

    def read(  # noqa: PLR0913  # The ways to narrow a stream, each of them optional.
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
        within: Within | None = None,
    ) -> Iterator[StoredEvent[Any]]:
        """The events with this key, in the order of their ids, or the last one first.

        `after` is the id of an event: what lies behind it in the direction of reading is read.
        `types` are classes or Avro full names; `since` is inclusive, `until` is not.
        Within a caller's connection its transaction is read, with what it has saved itself.
        """
        selection = Selection(
            key=key,
            backwards=backwards,
            limit=limit,
            types=type_names(types),
            since=since,
            until=until,
        )
        return self._through(Course(self._pages, topic, selection, after), within)

    def read_all(  # noqa: PLR0913  # As `read`.
        self,
        topic: str,
        *,
        after: Place = None,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[StoredEvent[Any]]:
        """All events of a topic in the order of their ids, or of the topics of a pattern.

        A pattern such as `*_events` merges topics: each keeps the order of its ids, and of the
        topics' next events the one with the earliest time comes first, then the one whose topic
        comes first by name. No order between topics is promised by anything else. To go on, give
        `after` as a mapping from topic to the last id that was seen of it; topics that it lacks
        are read from their beginning.
        """
        selection = Selection(limit=limit, types=type_names(types), since=since, until=until)
        return self._through(course_of(self._pages, topic, selection, after), None)

    def read_rows(
        self, topic: str, *, after: int | None = None, limit: int | None = None
    ) -> Iterator[StoredRow]:
        """The rows of a topic in the order of their ids, as they are: nothing is decoded."""
        return self._through(RowCourse(self._pages, topic, after, limit), None)

    def load(
        self,
        topic: str,
        key: Key,
        evolve: Evolve[S],
        initial: S,
        *,
        within: Within | None = None,
    ) -> Loaded[S]:
        """Fold the events with this key: `evolve(state, stored_event)` gives the next state."""
        course = Course(self._pages, topic, Selection(key=key))
        folding = Folding(evolve, initial)
        while not course.ended:
            folding.take(self._read(course.page, within))
        return folding.loaded

    def _through(self, course: AnyCourse, within: Within | None) -> Iterator[Any]:
        """What the course leads to."""
        while not course.ended:
            yield from self._read(course.page, within)

    def _read(self, make_plan: Callable[[Scope], Plan[T]], within: Within | None) -> T:
        """Run a plan on the store's own connection for reading, or on the caller's."""
        raise NotImplementedError


class AsyncReading:
    """Reading for asyncio, with the same promises; part of AsyncPostgresEventStore."""

    _pages: Pages

    def read(  # noqa: PLR0913  # As of Reading.
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
        within: AsyncWithin | None = None,
    ) -> AsyncIterator[StoredEvent[Any]]:
        """As of Reading: the events with this key."""
        selection = Selection(
            key=key,
            backwards=backwards,
            limit=limit,
            types=type_names(types),
            since=since,
            until=until,
        )
        return self._through(Course(self._pages, topic, selection, after), within)

    def read_all(  # noqa: PLR0913  # As of Reading.
        self,
        topic: str,
        *,
        after: Place = None,
        limit: int | None = None,
        types: TypeFilter = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[StoredEvent[Any]]:
        """As of Reading: all events of a topic, or of the topics of a pattern, merged."""
        selection = Selection(limit=limit, types=type_names(types), since=since, until=until)
        return self._through(course_of(self._pages, topic, selection, after), None)

    def read_rows(
        self, topic: str, *, after: int | None = None, limit: int | None = None
    ) -> AsyncIterator[StoredRow]:
        """As of Reading: the rows as they are."""
        return self._through(RowCourse(self._pages, topic, after, limit), None)

    async def load(
        self,
        topic: str,
        key: Key,
        evolve: Evolve[S],
        initial: S,
        *,
        within: AsyncWithin | None = None,
    ) -> Loaded[S]:
        """As of Reading: the state that the events with this key add up to."""
        course = Course(self._pages, topic, Selection(key=key))
        folding = Folding(evolve, initial)
        while not course.ended:
            folding.take(await self._read(course.page, within))
        return folding.loaded

    async def _through(self, course: AnyCourse, within: AsyncWithin | None) -> AsyncIterator[Any]:
        """What the course leads to."""
        while not course.ended:
            for each in await self._read(course.page, within):
                yield each

    async def _read(self, make_plan: Callable[[Scope], Plan[T]], within: AsyncWithin | None) -> T:
        """Run a plan on the store's own connection for reading, or on the caller's."""
        raise NotImplementedError
