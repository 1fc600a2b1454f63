"""Tables in memory: what PostgreSQL does for the store, in a few dictionaries.

A transaction sees what is committed and what it saved itself; ids are drawn at once, so a
rollback leaves a gap, as a sequence does. Nothing waits: where PostgreSQL would let the second of
two transactions wait for the first, here the second's commit raises ConcurrencyConflict.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Final, NamedTuple, Self
from uuid import UUID

from mainstem.errors import (
    ConcurrencyConflict,
    ConnectionMisused,
    TopicExists,
    UnknownTopic,
    ValueOutOfRange,
)
from mainstem.event import Key
from mainstem.postgres import naming
from mainstem.postgres.keys import KEY_TYPES, UNBOUNDED
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.statements import Row
from mainstem.postgres.table import BIGINT, BYTEA, PLAIN, TIMESTAMPTZ, Column, EventTable
from mainstem.postgres.table import UUID as UUID_OID

KEY_TYPE_NAMES: Final[Mapping[type, str]] = {
    UUID: "uuid",
    str: "text",
    bool: "boolean",
    int: "bigint",
    Decimal: "numeric",
    bytes: "bytea",
}
"""The key type of a topic that nobody declared, by its first event's key."""


class Kept(NamedTuple):
    """A row with what its table and its transaction know of it."""

    id: int
    row: Row
    version: int | None
    event_id: UUID | None
    commit: int
    """Number of the commit that it came with; none yet has NEXT."""


NEXT: Final = 1 << 62

Condition = Callable[[Iterable[Kept]], None]
"""Raises ConcurrencyConflict if one of these rows forbids a save."""


@dataclass(slots=True)
class MemoryTable:
    """The rows of one topic."""

    topic: str
    options: TopicOptions
    kept: list[Kept] = field(default_factory=list)
    """What is committed, in the order of the ids."""
    versions: dict[Key, int] = field(default_factory=dict)
    """How many events each key has, as far as they are committed."""
    ids: int = 0

    def take(self, staged: Iterable[Kept], commit: int) -> None:
        """Keep the rows of a transaction that commits."""
        for each in staged:
            insort(self.kept, each._replace(commit=commit), key=lambda kept: kept.id)
            self.versions[each.row.key] = self.versions.get(each.row.key, 0) + 1

    def shape(self) -> EventTable:
        """The table as PostgreSQL's catalog would describe it."""
        options = self.options
        columns = [("id", BIGINT), ("key", KEY_TYPES[options.key_type].oid), ("data", BYTEA)]
        columns += [("metadata", BYTEA), ("timestamp", TIMESTAMPTZ)]
        columns += [("version", BIGINT)] if options.versioned else []
        columns += [("event_id", UUID_OID)] if options.idempotent else []
        described = tuple(column(name, oid) for name, oid in columns)
        return EventTable(self.topic, 0, PLAIN, "p", described, 1)


class MemoryDatabase:
    """Topics by name, and the commits; threads may share it."""

    def __init__(self, topics: Mapping[str, TopicOptions] | None) -> None:
        """Hold exactly these topics, or, with None, whichever are saved to."""
        self.lock = threading.RLock()
        self.commits = 0
        self._open = topics is None
        self._tables: dict[str, MemoryTable] = {}
        for topic, options in (topics or {}).items():
            self.create(topic, options)

    def create(self, topic: str, options: TopicOptions) -> None:
        """Make a topic; InvalidName and TopicExists."""
        if naming.checked(topic) in self._tables:
            raise TopicExists(f"the table {naming.EVENT_SCHEMA}.{topic} exists already")
        self._tables[topic] = MemoryTable(topic, options)

    def topics(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._tables)

    def table(self, topic: str, key: Key | None = None) -> MemoryTable:
        """The topic's table; UnknownTopic if topics were declared and this is none of them."""
        table = self._tables.get(naming.checked(topic))
        if table is not None:
            return table
        if not self._open:
            raise UnknownTopic(f"there is no table events.{topic}")
        kinds = (name for cls, name in KEY_TYPE_NAMES.items() if isinstance(key, cls))
        options = TopicOptions(key_type=next(kinds, "uuid"), versioned=True, idempotent=True)
        table = MemoryTable(topic, options)
        # Reading alone decides nothing about a topic.
        return table if key is None else self._tables.setdefault(topic, table)


class MemoryTransaction:
    """A transaction of a store in memory: for `with` or `async with`, and for `within=`.

    It commits at the end of the block, and rolls back if an error leaves it.
    """

    def __init__(self, database: MemoryDatabase) -> None:
        """Begin."""
        self.database = database
        self._staged: dict[str, list[Kept]] = {}
        self._more: dict[tuple[str, Key], int] = {}
        self._conditions: list[tuple[str, Condition]] = []
        self._begun_after = database.commits
        self._open = True

    def visible(self, topic: str) -> list[Kept]:
        """What it sees of a topic, in the order of the ids."""
        self.check_open()
        committed, staged = self.database.table(topic).kept, self._staged.get(topic)
        if not staged:
            return list(committed)
        return sorted([*committed, *staged], key=lambda kept: kept.id)

    def insert(
        self, table: MemoryTable, rows: Sequence[Row], event_ids: Sequence[UUID | None]
    ) -> list[Kept]:
        """Keep the rows for the commit, each with its id and its version."""
        check_sizes(table, rows)
        staged = self._staged.setdefault(table.topic, [])
        start = len(staged)
        for row, event_id in zip(rows, event_ids, strict=True):
            table.ids += 1
            version = self.version(table, row.key) + 1 if table.options.versioned else None
            staged.append(Kept(table.ids, row, version, event_id, NEXT))
            self._more[table.topic, row.key] = self._more.get((table.topic, row.key), 0) + 1
        return staged[start:]

    def version(self, table: MemoryTable, key: Key) -> int:
        """The version of the stream's last event as this transaction sees it."""
        return table.versions.get(key, 0) + self._more.get((table.topic, key), 0)

    def require(self, topic: str, condition: Condition) -> None:
        """Save on this condition: it is tested now, and with the commit once more."""
        condition(self.visible(topic))
        self._conditions.append((topic, condition))

    def commit(self) -> None:
        """Make what was saved visible to all; ConcurrencyConflict if another came first."""
        with self.database.lock:
            self.check_open()
            self._open = False
            for topic, condition in self._conditions:
                condition(self._others(topic))
            for topic, staged in self._staged.items():
                check_unique(topic, self._others(topic), staged)
            self.database.commits += 1
            for topic, staged in self._staged.items():
                self.database.table(topic).take(staged, self.database.commits)

    def rollback(self) -> None:
        """Forget what was saved."""
        self.check_open()
        self._open = False

    def check_open(self) -> None:
        """ConnectionMisused if it has ended."""
        if not self._open:
            raise ConnectionMisused("the transaction has ended")

    def _others(self, topic: str) -> list[Kept]:
        """What was committed to the topic since this began."""
        if self._begun_after == self.database.commits:
            return []
        kept = self.database.table(topic).kept
        return [each for each in kept if each.commit > self._begun_after]

    def __enter__(self) -> Self:
        """The transaction itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit, or roll back after an error; nothing if that was done by hand."""
        if self._open:
            self.commit() if error is None else self.rollback()

    async def __aenter__(self) -> Self:
        """The transaction itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As `__exit__`."""
        self.__exit__(kind, error, trace)


def column(name: str, oid: int) -> Column:
    """A column of this type, without length or precision."""
    return Column(name, oid, name, UNBOUNDED, not_null=True, has_default=True)


def check_unique(topic: str, others: Iterable[Kept], staged: Iterable[Kept]) -> None:
    """ConcurrencyConflict if a version or an event's id was taken meanwhile."""
    taken = {kept.event_id for kept in others} - {None}
    # Ids are drawn by who saves first, versions are given by who commits first.
    last = {
        kept.row.key: kept.version
        for kept in sorted(others, key=lambda each: each.version or 0)
        if kept.version is not None
    }
    for kept in staged:
        if kept.event_id in taken:
            raise ConcurrencyConflict(f"an event with that event_id was saved to {topic} meanwhile")
        if kept.version is not None and kept.version <= last.get(kept.row.key, 0):
            raise ConcurrencyConflict(
                f"version {kept.version} of a stream of {topic} was saved meanwhile",
                expected=kept.version - 1,
                actual=last[kept.row.key],
            )


def check_sizes(table: MemoryTable, rows: Iterable[Row]) -> None:
    """ValueOutOfRange for a payload that the topic is too small for."""
    most = table.options.data_bytes_max
    for row in rows:
        if most is not None and len(row.data) > most:
            raise ValueOutOfRange(
                f"a payload of {len(row.data)} bytes; {table.topic} takes {most} at most"
            )
