"""Statements of guarded saves: inserts that look before they leap, locks on tags, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from mainstem.event import Key
from mainstem.postgres.statements import Row, Statement, Target


class Draft(NamedTuple):
    """A row on its way into a table that numbers its events, or keeps an id of the caller's."""

    row: Row
    expected: int
    """The version that its stream must have: an exact one, ANY_VERSION or SOME_VERSION."""
    event_id: UUID | None = None
    step: int = 1
    """How far above the stream's last version it is to stand."""


ANY_VERSION: Final = -1
SOME_VERSION: Final = -2
"""For Draft.expected: whatever version, and any version but 0."""

Columns: TypeAlias = dict[str, list[Any]]
"""Values of all rows by the names of their columns."""

TYPES: Final = {
    "data": "bytea",
    "timestamp": "timestamptz",
    "metadata": "bytea",
    "event_id": "uuid",
    "expected": "bigint",
    "step": "bigint",
}
"""Types of columns but the key."""

FITS: Final = f"""(expected = head OR expected = {ANY_VERSION}
             OR (expected = {SOME_VERSION} AND head > 0))"""

TEXTS_MAX: Final = 1024
"""Texts of statements that are remembered: some for each topic."""

# A guard must see what committed while it waited: each statement its own snapshot.
BEGIN_GUARDED = Statement("BEGIN ISOLATION LEVEL READ COMMITTED", answers=False)

# A refused row must not cost the caller's transaction.
SAVEPOINT = Statement("SAVEPOINT mainstem_append", answers=False)
RELEASE = Statement("RELEASE SAVEPOINT mainstem_append", answers=False)
ROLLBACK_TO = Statement("ROLLBACK TO SAVEPOINT mainstem_append", answers=False)


def append_each(table: Target, drafts: Sequence[Draft]) -> Statement:
    """Insert each draft whose stream is as expected, unless a unique constraint forbids it.

    Answers (id, key, event_id, version) of those that went in, in their order. What another
    transaction has inserted and not yet committed is waited for. No draft harms another one.
    """
    columns = given(drafts)
    if table.versioned:
        columns["expected"] = [draft.expected for draft in drafts]
    sql = each_text(table, tuple(columns), single=len(drafts) == 1)
    return Statement(sql, (*values(columns), table.oid))


def append_all(table: Target, drafts: Sequence[Draft]) -> Statement:
    """Insert all drafts if every stream is as expected, else none.

    Answers (id, version) of each in their order. A unique constraint fails the statement.
    """
    columns = given(drafts)
    if table.versioned:
        columns["step"] = [draft.step for draft in drafts]
    if any(draft.expected != ANY_VERSION for draft in drafts):
        columns["expected"] = [draft.expected for draft in drafts]
    sql = all_text(table, tuple(columns), single=len(drafts) == 1)
    return Statement(sql, (*values(columns), table.oid))


def look(table: Target, drafts: Sequence[Draft]) -> Statement:
    """For each draft: what its stream's version is, and the row that has its event_id.

    Answers (place from 1, isolation, version, id, key, data, metadata, timestamp, version);
    nothing if the table is not the one that was seen.
    """
    columns: Columns = {
        "key": [draft.row.key for draft in drafts],
        "event_id": [draft.event_id for draft in drafts],
    }
    source = rows_of(table, tuple(columns), single=len(drafts) == 1)
    stored = "event_id = event.event_id" if table.idempotent else "false"
    return Statement(
        f"""
        SELECT place, pg_catalog.current_setting('transaction_isolation'),
               {"head" if table.versioned else "0::bigint"}, stored.*
        FROM {source}
        LEFT JOIN LATERAL (
            SELECT id::bigint, key, data, {"metadata" if table.has_metadata else "NULL::bytea"},
                   timestamp, {"version" if table.versioned else "NULL::bigint"}
            FROM {table.name} WHERE {stored}
        ) AS stored ON true
        WHERE '{table.name}'::regclass = $3::oid
        ORDER BY place
        """,
        (*values(columns), table.oid),
    )


def given(drafts: Sequence[Draft]) -> Columns:
    """What the drafts bring with them, without the columns that would be NULL in all rows."""
    rows = [draft.row for draft in drafts]
    columns: Columns = {
        "key": [row.key for row in rows],
        "data": [row.data for row in rows],
        "timestamp": [row.timestamp for row in rows],
    }
    metadata = [row.metadata for row in rows]
    if any(metadata):
        columns["metadata"] = metadata
    event_ids = [draft.event_id for draft in drafts]
    if any(event_ids):
        columns["event_id"] = event_ids
    return columns


def values(columns: Columns) -> list[Any]:
    """The parameters for these columns: values where there is one row, else arrays."""
    single = len(columns["key"]) == 1
    return [column[0] for column in columns.values()] if single else list(columns.values())


@lru_cache(TEXTS_MAX)
def each_text(table: Target, columns: tuple[str, ...], *, single: bool) -> str:
    """The SQL of `append_each`."""
    filled = filling(table, columns)
    return f"""
        INSERT INTO {table.name} ({", ".join(filled)})
        SELECT {", ".join(filled.values())}
        FROM {rows_of(table, columns, single=single)}
        WHERE '{table.name}'::regclass = ${len(columns) + 1}::oid
              {f"AND {FITS}" if table.versioned else ""}
        {"" if single else "ORDER BY place"}
        ON CONFLICT {arbiter(table, columns)} DO NOTHING
        RETURNING id, key, {"event_id" if "event_id" in columns else "NULL::uuid"},
                  {"version" if table.versioned else "NULL::bigint"}
        """


@lru_cache(TEXTS_MAX)
def all_text(table: Target, columns: tuple[str, ...], *, single: bool) -> str:
    """The SQL of `append_all`."""
    filled, guarded = filling(table, columns), "expected" in columns
    source = rows_of(table, columns, single=single)
    if guarded:
        source = f"(SELECT *, bool_and({FITS}) OVER () AS fit FROM {source}) AS event"
    return f"""
        INSERT INTO {table.name} ({", ".join(filled)})
        SELECT {", ".join(filled.values())}
        FROM {source}
        WHERE '{table.name}'::regclass = ${len(columns) + 1}::oid {"AND fit" if guarded else ""}
        ORDER BY place
        RETURNING id, {"version" if table.versioned else "NULL::bigint"}
        """


def filling(table: Target, columns: Sequence[str]) -> dict[str, str]:
    """The columns of the table that are filled, and from what."""
    filled = {name: name for name in columns if name not in {"expected", "step"}}
    if table.versioned:
        filled["version"] = "head + step" if "step" in columns else "head + 1"
    return filled


def rows_of(table: Target, columns: Sequence[str], *, single: bool) -> str:
    """The parameters as a table called `event`.

    `place` numbers its rows, and `head` is the last version of each one's stream. It is found by
    one step into the unique index, which OFFSET 0 keeps PostgreSQL from doing twice. The rows are
    in order already; saying so inside spares a sort outside.
    """
    types = {**TYPES, "key": table.key_type}
    numbered = list(enumerate(columns, start=1))
    if single:
        scalars = ", ".join(f"${at}::{types[name]} AS {name}" for at, name in numbered)
        source = f"(SELECT {scalars}, 1 AS place) AS event"
    else:
        arrays = ", ".join(f"${at}::{types[name]}[]" for at, name in numbered)
        source = f"unnest({arrays}) WITH ORDINALITY AS event ({', '.join(columns)}, place)"
    if not table.versioned:
        return source
    return f"""(
            SELECT *, coalesce((
                SELECT version FROM {table.name} AS stored WHERE stored.key = event.key
                ORDER BY version DESC LIMIT 1), 0) AS head
            FROM {source} {"" if single else "ORDER BY place"} OFFSET 0
        ) AS event"""


def arbiter(table: Target, columns: Sequence[str]) -> str:
    """The constraint whose rows are left out: both if both may be met, else only that one."""
    if "event_id" not in columns:
        return "(key, version)" if table.versioned else ""
    return "" if table.versioned else "(event_id)"


class Sought(NamedTuple):
    """What SQL can tell of the events that are meant; whether they fit is told by the reader."""

    key: Key | None
    entries: tuple[bytes, ...]
    """Metadata entries as the column holds them."""


class Span(NamedTuple):
    """Which rows are looked through, by their ids and by what a snapshot shows."""

    after: int
    """The highest id that the decision knew."""
    snapshot: str | None
    """What the decision could see; None leaves everything up to `after` to it."""
    known: Sequence[int]
    """Events that it was given though their transactions may not have ended before it."""
    later: bool
    """Whether what the decision did not know is meant, or what it knew."""


def lock_tags(tags: Sequence[int], alone: Sequence[bool]) -> Statement:
    """Wait for these locks, in this order, each alone or shared; answers the isolation level."""
    return Statement(
        """
        SELECT pg_catalog.current_setting('transaction_isolation'), count(*)
        FROM (
            SELECT CASE WHEN alone THEN pg_catalog.pg_advisory_xact_lock(tag)
                        ELSE pg_catalog.pg_advisory_xact_lock_shared(tag) END
            FROM unnest($1::bigint[], $2::boolean[]) WITH ORDINALITY AS wanted (tag, alone, place)
            ORDER BY place OFFSET 0
        ) AS locked
        """,
        (list(tags), list(alone)),
    )


def now_seen(table: Target) -> Statement:
    """The snapshot of this moment, and the highest id in it."""
    return Statement(
        f"""
        SELECT pg_catalog.pg_current_snapshot()::text,
               coalesce((SELECT max(id) FROM {table.name}), 0)::bigint
        WHERE '{table.name}'::regclass = $1::oid
        """,
        (table.oid,),
    )


def sought_heads(table: Target, sought: Sought, span: Span, page: tuple[int, int]) -> Statement:
    """As `sought_rows`, but (id, head of the frame, metadata): enough to tell whether it fits."""
    metadata = "metadata" if table.has_metadata and sought.entries else "NULL::bytea"
    return seeking(table, f"id, substring(data FROM 1 FOR 5), {metadata}", sought, span, page)


def sought_rows(table: Target, sought: Sought, span: Span, page: tuple[int, int]) -> Statement:
    """The rows in order of their ids, from behind page[0] on and page[1] of them at most.

    They come as (id, key, data, metadata, timestamp, version), and whether their transactions
    may not have ended before the decision.
    """
    metadata = "metadata" if table.has_metadata else "NULL::bytea"
    version = "version" if table.versioned else "NULL::bigint"
    columns = f"id, key, data, {metadata}, timestamp, {version}, writer.xid >= snapshot.low"
    return seeking(table, columns, sought, span, page)


def seeking(
    table: Target, columns: str, sought: Sought, span: Span, page: tuple[int, int]
) -> Statement:
    """Look through a span of the table; see `sought_rows`."""
    params: list[Any] = []
    source = f"{table.name} AS event"
    if span.snapshot is not None:
        params.append(span.snapshot)
        source += writers(len(params))
    params.append(page[0])
    conditions = [f"id > ${len(params)}::bigint"]
    if sought.key is not None:
        params.append(sought.key)
        conditions.append(f"key = ${len(params)}::{table.key_type}")
    for entry in sought.entries:
        params.append(entry)
        found = f"position(${len(params)}::bytea IN metadata) > 0"
        conditions.append(found if table.has_metadata else f"${len(params)}::bytea IS NULL")
    params.append(span.after)
    beyond = f"id {'>' if span.later else '<='} ${len(params)}::bigint"
    if span.snapshot is not None:
        beyond = f"({beyond} {f'OR {YOUNG}' if span.later else f'AND NOT {LATE}'})"
    conditions.append(beyond)
    if span.known:
        params.append(list(span.known))
        conditions.append(f"id <> ALL (${len(params)}::bigint[])")
    params.append(page[1])
    return Statement(
        f"""
        SELECT {columns} FROM {source}
        WHERE {" AND ".join(conditions)}
        ORDER BY id LIMIT ${len(params)}::bigint
        """,
        tuple(params),
    )


# Rows of the transaction itself are visible to it though it is in progress: it knows them.
# A row of a savepoint has a number of its own, which no snapshot lists: so what a snapshot shows
# only keeps the pages of a decision together, and a check trusts the ids that the decision got.
YOUNG: Final = """(writer.xid >= snapshot.low
         AND pg_catalog.pg_xact_status(writer.xid::text::xid8) IS DISTINCT FROM 'in progress')"""
LATE: Final = """(CASE WHEN writer.xid >= snapshot.low
         THEN NOT pg_catalog.pg_visible_in_snapshot(writer.xid::text::xid8, snapshot.decision)
              AND pg_catalog.pg_xact_status(writer.xid::text::xid8) <> 'in progress'
         ELSE false END)"""


def writers(param: int) -> str:
    """The transaction that wrote each row, as a number that never wraps round.

    A row has the lower 32 bits of it. All that a statement sees of others is below the end of
    its snapshot, so the upper bits follow. What is above it is the transaction's own.
    """
    return f"""
        CROSS JOIN LATERAL (
            SELECT decision, pg_catalog.pg_snapshot_xmin(decision)::text::bigint AS low,
                   greatest(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
                                ::text::bigint - 1,
                            pg_catalog.pg_current_xact_id_if_assigned()::text::bigint) AS last
            FROM (SELECT ${param}::text::pg_snapshot AS decision) AS given
        ) AS snapshot
        CROSS JOIN LATERAL (
            SELECT last - ((last - event.xmin::text::bigint) & 4294967295) AS xid
        ) AS writer"""
