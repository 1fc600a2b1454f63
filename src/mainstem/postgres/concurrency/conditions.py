"""Conditions: a save that stands only if nothing fitting came since its decision was made.

Two conditional saves are in conflict if an event of the one fits the query of the other; then
one must wait for the other, and see it. They meet in an advisory lock, which lasts as long as the
transaction. Each event has tags: its topic, its key, its type and each of its metadata entries.

* A save takes *one* tag of its query *alone*: one that every fitting event has. That is the key
  if the query names one, else one of its metadata entries, else its types (a fitting event has
  one of them, so all are taken), else the topic.
* It takes *all* tags of its own events *shared*.

Why that is enough: let event e of save B fit the query of save A. A holds a tag t of its query
alone, and e has t (for types: e's own type is one of those taken), so B wants t too, shared. So
the two exclude each other by t, whichever comes first. The second of them checks after it has
the lock and by a new statement, whose snapshot holds all that the first committed.
Why it is not too much: saves that only share tags of their events do not exclude each other; and
a query takes the tags that it is about, not the table.

A save whose events have very many tags takes the topic alone instead. Every conditional save has
an event and so holds the topic at least shared, hence it excludes them all.

Saves without a condition take no locks: they are never held up, and come before or after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from mainstem.errors import (
    ConcurrencyConflict,
    ConfigurationError,
    ConnectionMisused,
    MainstemError,
)
from mainstem.event import Key, StoredEvent, frozen
from mainstem.metadata_codec import decode_metadata, utf8, varint
from mainstem.postgres import statements as transactions
from mainstem.postgres.concurrency import statements
from mainstem.postgres.concurrency.judging import (
    READ_COMMITTED,
    AnotherTable,
    Ground,
    Item,
    look,
)
from mainstem.postgres.concurrency.statements import Sought, Span
from mainstem.postgres.concurrency.together import firsts
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.plan import Call, Plan
from mainstem.postgres.reading.decoding import event_of
from mainstem.postgres.reading.selection import type_names
from mainstem.postgres.table import EventTable
from mainstem.schema.declare import type_name
from mainstem.terms import AppendCondition, Decision, EventQuery

LOCKS_MAX: Final = 64
"""Tags that one save locks by themselves; the server has room for some thousands in all."""
PAGE_ROWS_MAX: Final = 500
DECISION_EVENTS_MAX: Final = 100_000
"""Events that one decision may be made on."""
FIRST_ID: Final = -(2**63)

Stored = StoredEvent[Any]


class Query(NamedTuple):
    """An EventQuery, fit for one table."""

    sought: Sought
    types: frozenset[str]
    entries: frozenset[tuple[str, bytes]]


def guarded(
    ground: Ground,
    condition: AppendCondition,
    query: Query,
    items: Sequence[Item],
    insert: Callable[[], Plan[list[Stored]]],
) -> Plan[list[Stored]]:
    """Insert under the condition; ConcurrencyConflict if it does not hold.

    `insert` neither begins nor commits. Nothing is saved if it answers nothing.
    """
    if not ground.own:
        return (yield from under_locks(ground, condition, query, items, insert))
    yield statements.BEGIN_GUARDED
    try:
        saved = yield from under_locks(ground, condition, query, items, insert)
    except MainstemError:
        with suppress(MainstemError):
            yield transactions.ROLLBACK
        raise
    yield transactions.COMMIT if saved else transactions.ROLLBACK
    return saved


def under_locks(
    ground: Ground,
    condition: AppendCondition,
    query: Query,
    items: Sequence[Item],
    insert: Callable[[], Plan[list[Stored]]],
) -> Plan[list[Stored]]:
    """Lock, look, insert: in the transaction that is open."""
    locks = sorted(wanted_locks(ground.topic, query, items).items())
    ((isolation, _),) = yield statements.lock_tags(*map(list, zip(*locks, strict=True)))
    if isolation != READ_COMMITTED:
        raise ConnectionMisused(
            f"append_condition= cannot be checked in a transaction that is {isolation}:"
            " its snapshot does not show what was saved meanwhile",
            hint="save with it in a transaction that is READ COMMITTED",
        )
    if any(item.draft.event_id is not None for item in items):
        known = yield from firsts(ground, items, (yield from look(ground.target, items)))
        if len(known) == len(items):
            return [known[place] for place in range(len(items))]
        if known:
            raise ConcurrencyConflict(
                f"{len(known)} of the {len(items)} event_ids are in events.{ground.topic} already"
            )
    yield from check(ground, condition, query)
    return (yield from insert())


def check(ground: Ground, condition: AppendCondition, query: Query) -> Plan[None]:
    """Raise ConcurrencyConflict if an event fits that the decision did not know."""
    span = Span(condition.after, condition.snapshot, condition.known, later=True)
    cursor = condition.after if condition.snapshot is None else FIRST_ID
    while True:
        page = (cursor, PAGE_ROWS_MAX)
        rows = yield statements.sought_heads(ground.target, query.sought, span, page)
        fitting = yield from fitting_rows(ground, query, [(row[1], row[2], row) for row in rows])
        if fitting:
            raise ConcurrencyConflict(
                f"event {fitting[0][0]} of {ground.topic} fits the append_condition,"
                " but the decision was made without it"
            )
        if len(rows) < PAGE_ROWS_MAX:
            return
        cursor = rows[-1][0]


def deciding(ground: Ground, event_query: EventQuery, query: Query) -> Plan[Decision]:
    """The events that fit now, and the condition that nothing is added to them.

    All pages are as one snapshot shows them: rows that a later page could see are left out.
    """
    seen = yield statements.now_seen(ground.target)
    if not seen:
        raise AnotherTable("the topic's table was replaced")
    ((snapshot, after),) = seen
    span = Span(after, snapshot, (), later=False)
    events: list[Stored] = []
    known: list[int] = []
    cursor, full = FIRST_ID, True
    while full:
        page = (cursor, PAGE_ROWS_MAX)
        rows = yield statements.sought_rows(ground.target, query.sought, span, page)
        fitting = yield from fitting_rows(ground, query, [(row[2], row[3], row) for row in rows])
        known += [row[0] for row in fitting if row[6]]
        events += yield Call(partial(decoded, ground, fitting))
        if len(events) > DECISION_EVENTS_MAX:
            raise ConfigurationError(
                f"more than {DECISION_EVENTS_MAX} events fit the query",
                hint="narrow it by a key or by metadata entries",
            )
        full = len(rows) == PAGE_ROWS_MAX
        cursor = rows[-1][0] if rows else cursor
    condition = AppendCondition(
        none_match=event_query, after=after, snapshot=snapshot, known=tuple(known)
    )
    return Decision(tuple(events), condition)


def decoded(ground: Ground, rows: Iterable[Sequence[Any]]) -> list[Stored]:
    """The events of these rows."""
    return [event_of(ground.wire, ground.topic, row[:6]) for row in rows]


def fitting_rows(
    ground: Ground, query: Query, rows: Sequence[tuple[bytes, bytes | None, Sequence[Any]]]
) -> Plan[list[Sequence[Any]]]:
    """Those rows that fit: SQL has chosen them by the key, and by the look of the metadata."""

    def fit() -> list[Sequence[Any]]:
        return [row for data, metadata, row in rows if fits(ground, query, data, metadata)]

    # A type's name may have to be asked for.
    return (yield Call(fit)) if query.types and rows else fit()


def fits(ground: Ground, query: Query, data: bytes, metadata: bytes | None) -> bool:
    """Whether an event is meant, by the head of its frame and its metadata."""
    if query.types and ground.wire.type_name_of(data) not in query.types:
        return False
    return not query.entries or query.entries.issubset(decode_metadata(metadata).items())


def checked_query(table: EventTable, query: EventQuery) -> Query:
    """The query, fit for the table; EventRefused, by its subclasses, if it cannot be."""
    key = query.key
    if key is not None:
        column = table.column("key")
        assert column is not None, "the table's shape was checked"
        key = KEY_TYPES[table.key_type].exact(key, column.type_modifier)
    entries = frozenset(frozen(query.metadata).items())
    encoded = tuple(sorted(entry_bytes(name, value) for name, value in entries))
    return Query(Sought(key, encoded), type_names(query.types), entries)


def entry_bytes(name: str, value: bytes) -> bytes:
    """A metadata entry as it stands in the column."""
    encoded = utf8(name)
    return varint(len(encoded)) + encoded + varint(len(value)) + value


def wanted_locks(topic: str, query: Query, items: Iterable[Item]) -> dict[int, bool]:
    """The tags to lock, and whether alone; see the head of this file for why these."""
    tags = {tag(topic, b"topic")}
    for item in items:
        tags |= event_tags(topic, item)
        if len(tags) > LOCKS_MAX:
            return {tag(topic, b"topic"): True}
    locks = dict.fromkeys(tags, False)
    return locks | dict.fromkeys(query_tags(topic, query), True)


def query_tags(topic: str, query: Query) -> set[int]:
    """Tags of which every event that fits has one."""
    if query.sought.key is not None:
        return {tag(topic, b"key", key_mark(query.sought.key))}
    if query.sought.entries:
        # Any one will do; the longest is likely the rarest.
        return {tag(topic, b"entry", max(query.sought.entries, key=len))}
    if 0 < len(query.types) <= LOCKS_MAX:
        return {tag(topic, b"type", name.encode()) for name in query.types}
    return {tag(topic, b"topic")}


def event_tags(topic: str, item: Item) -> set[int]:
    """All tags of an event but the topic."""
    event = item.event
    entries = {
        tag(topic, b"entry", entry_bytes(name, value)) for name, value in event.metadata.items()
    }
    key = tag(topic, b"key", key_mark(item.draft.row.key))
    return entries | {key, tag(topic, b"type", type_name(type(event.payload)).encode())}


def tag(topic: str, kind: bytes, value: bytes = b"") -> int:
    """The number of a lock; two tags that share one by chance only wait for each other."""
    text = b"\0".join((b"mainstem", topic.encode(), kind, value))
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def key_mark(key: Key) -> bytes:
    """The same bytes for keys that are equal in the table."""
    if isinstance(key, bytes):
        return key
    if isinstance(key, Decimal):
        # 1 and 1.00 are one numeric.
        return b"%x/%x" % key.as_integer_ratio()
    return str(key).encode()
