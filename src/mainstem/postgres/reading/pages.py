"""Pages: plans that read one page of a topic; they remember the tables they have seen.

What is remembered of a table is tested by the same statement that reads: where the table was
altered or replaced meanwhile the page is empty, and the table is looked at afresh. So a column
that was added, such as `metadata`, is never overlooked, and looking costs a keyed read nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    EventRefused,
    TableChanged,
    UnknownTopic,
    ValueOutOfRange,
)
from mainstem.event import Key
from mainstem.postgres import naming
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.plan import Call, Plan, Scope
from mainstem.postgres.reading import statements
from mainstem.postgres.reading.decoding import Decoded, decoded
from mainstem.postgres.reading.selection import Selection
from mainstem.postgres.reading.statements import Bounds, Source
from mainstem.postgres.table import ALLOWED_TYPES, OPTIONAL_COLUMNS, EventTable, inspection
from mainstem.wire import Wire

Rows: TypeAlias = Sequence[Sequence[Any]]

DECODED_INLINE_MAX: Final = 200
"""More rows than these are decoded beside an event loop, not on it."""
LOOKS_MAX: Final = 3
"""A table that is altered again and again is given up after so many looks."""


class Page(NamedTuple):
    """Some rows, and whether there were no more behind them."""

    rows: Rows
    ended: bool


Beside: TypeAlias = Callable[[Page, str, Selection, Bounds], Page]
"""(page of the table, topic, selection, bounds) -> the page with what is archived."""


class Pages:
    """Plans the pages of one store's readings; several threads may share it."""

    def __init__(self, wire: Wire, beside: Beside | None = None) -> None:
        """Decode by this wire; nothing is known yet. `beside` adds the rows of an archive."""
        self._wire = wire
        self._beside = beside
        self._tables: dict[tuple[tuple[bytes, bytes, bytes], str], tuple[EventTable, Source]] = {}
        self._known: set[bytes] = set()
        self._sized: set[Source] = set()

    def events(
        self, scope: Scope, topic: str, selection: Selection, bounds: Bounds
    ) -> Plan[tuple[Decoded, Page]]:
        """The next rows and the wanted events among them."""
        page = yield from self.rows(scope, topic, selection, bounds)
        heads = {row[2][:5] for row in page.rows if row[2] is not None}
        decode = partial(decoded, self._wire, topic, page.rows, selection.types)
        if heads <= self._known and len(page.rows) <= DECODED_INLINE_MAX:
            return decode(), page
        answer: Decoded = yield Call(decode)
        if answer.failure is None and not selection.types:
            self._known |= heads
        return answer, page

    def rows(self, scope: Scope, topic: str, selection: Selection, bounds: Bounds) -> Plan[Page]:
        """The next rows, in the order of the selection; none where there are no more."""
        page = yield from self._rows(scope, topic, selection, bounds)
        if self._beside is None:
            return page
        whole: Page = yield Call(partial(self._beside, page, topic, selection, bounds))
        return whole

    def _rows(self, scope: Scope, topic: str, selection: Selection, bounds: Bounds) -> Plan[Page]:
        """The next rows of the table."""
        for _ in range(LOOKS_MAX):
            remembered = (scope.database, topic) in self._tables
            table, source = yield from self.table(scope, topic)
            try:
                page = yield from self._page(table, source, selection, bounds)
            except EventRefused:
                self._tables.pop((scope.database, topic), None)
                # The caller's transaction may have failed with the statement.
                if not (remembered and scope.own):
                    raise
                continue
            if page.rows or (yield from still(topic, source)):
                return page
            self._tables.pop((scope.database, topic), None)
        raise TableChanged(f"the table events.{topic} was altered again and again meanwhile")

    def _page(
        self, table: EventTable, source: Source, selection: Selection, bounds: Bounds
    ) -> Plan[Page]:
        """One page; a value of a row that the driver cannot make is a DecodeError."""
        key = exact_key(table, selection.key)
        try:
            if source not in self._sized:
                rows: Rows = yield statements.page(source, selection, key, bounds)
                large = first_without_data(rows)
                if large is None:
                    return Page(rows, ended=len(rows) < bounds.rows_max)
                self._sized.add(source)
                if large:
                    return Page(rows[:large], ended=False)
            rows = yield statements.sized_page(source, selection, key, bounds)
        except ValueOutOfRange as error:
            place = "its beginning" if bounds.after is None else f"event {bounds.after}"
            raise DecodeError(
                f"a row of {table.topic} behind {place} cannot be read: {error.message}"
            ) from error
        # Cut by bytes, which PostgreSQL counted: only an empty page tells that there is no more.
        return Page(rows, ended=not rows)

    def table(self, scope: Scope, topic: str) -> Plan[tuple[EventTable, Source]]:
        """The topic's table, looked up if it is not remembered; UnknownTopic."""
        place = scope.database, naming.checked(topic)
        if place not in self._tables:
            self._tables[place] = yield from looked_up(topic)
        return self._tables[place]


def looked_up(topic: str) -> Plan[tuple[EventTable, Source]]:
    """The table as it is; UnknownTopic, and ConfigurationError for one that holds no events."""
    # What tells the definition is read first: a later one will then not pass for this.
    seen = yield statements.seen(topic)
    table = yield from inspection(topic)
    problem = reading_problem(table)
    if problem is not None:
        raise ConfigurationError(
            f"events cannot be read from events.{topic}: {problem}",
            hint="compare with a table made by: mainstem topic create NAME",
        )
    oid, xmin = seen[0] if seen else (0, "")
    name = naming.table(topic)
    return table, Source(name, table.key_type, table.has_metadata, table.versioned, oid, xmin)


def reading_problem(table: EventTable) -> str | None:
    """What keeps events from being read, in words; what only keeps from saving is no matter."""
    for name, oids in ALLOWED_TYPES.items():
        column = table.column(name)
        if column is None and name not in OPTIONAL_COLUMNS:
            return f"it has no column {name!r}"
        if column is not None and column.type_oid not in oids:
            return f"its column {name!r} is of type {column.type_name}"
    return None


def still(topic: str, source: Source) -> Plan[bool]:
    """Whether the table is as it was seen."""
    seen = yield statements.seen(topic)
    return bool(seen) and tuple(seen[0]) == (source.oid, source.xmin)


def first_without_data(rows: Rows) -> int | None:
    """The place of the first row whose data is missing."""
    data = [row[2] for row in rows]
    return data.index(None) if None in data else None


def exact_key(table: EventTable, key: Key | None) -> Key | None:
    """The key as the column holds it; WrongKeyType and ValueOutOfRange."""
    column = table.column("key")
    if key is None or column is None:
        return None
    return KEY_TYPES[table.key_type].exact(key, column.type_modifier)


def matching(pattern: str) -> Plan[list[str]]:
    """The topics that a pattern such as `*_events` means, sorted; UnknownTopic if none does."""
    found = [name for (name,) in (yield statements.TOPICS) if fnmatchcase(name, pattern)]
    if not found:
        raise UnknownTopic(
            f"no table of the schema events matches {pattern!r}",
            hint="mainstem topic create NAME creates one",
        )
    return found
