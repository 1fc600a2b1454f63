"""Every statement that reads events, as values; rows come as (id, key, data, metadata, timestamp).

A page is bounded by rows and by bytes, and is found by the ids alone: no offset, no cursor on the
server, and so no transaction that stays open while somebody works on the rows.

The bound on bytes has two ways. As long as every row of a topic is small, a page is bounded by its
number of rows, which is a fifth faster; a row that is not small then comes without its data, and
says so by that. After that the topic is read by a running sum over the sizes.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mainstem.event import Key
from mainstem.postgres import naming
from mainstem.postgres.reading.selection import Selection
from mainstem.postgres.statements import Statement

PAGE_ROWS_MAX: Final = 1000
"""More rows bring no speed (measured: 500 to 2000 are equal), and each page is held in memory."""
PAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of one page; only a first row that is larger by itself exceeds it."""
SMALL_ROW_BYTES_MAX: Final = PAGE_BYTES_MAX // PAGE_ROWS_MAX

UNBOUNDED_KEYS: Final = frozenset({"text", "bytea"})

FIRST_ID, LAST_ID = -(2**63), 2**63 - 1

# A Python datetime knows the years 1 to 9999; the NULL is told from a time that nobody set.
TIMESTAMP: Final = (
    "CASE WHEN timestamp >= '0001-01-01 00:00+00' AND timestamp < '10000-01-01 00:00+00'"
    " THEN timestamp END AS timestamp"
)

# pg_class.xmin is another one after each ALTER TABLE, and the same after VACUUM and ANALYZE.
SEEN = """
    SELECT c.oid::bigint, c.xmin::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
"""

TOPICS = Statement(
    f"""
    SELECT c.relname::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = '{naming.EVENT_SCHEMA}' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
    """
)


class Source(NamedTuple):
    """The table that is read, as it was seen."""

    name: str
    """Quoted, from naming.table."""
    key_type: str
    has_metadata: bool
    versioned: bool
    oid: int
    xmin: str
    """Tells this definition of the table from a later one."""


class Bounds(NamedTuple):
    """Where a page begins and how large it may be."""

    after: int | None
    rows_max: int = PAGE_ROWS_MAX
    bytes_max: int = PAGE_BYTES_MAX


def seen(topic: str) -> Statement:
    """What the definition of the topic's table is known by; no row without a table."""
    return Statement(SEEN, (naming.EVENT_SCHEMA, naming.checked(topic)))


def page(source: Source, selection: Selection, key: Key | None, bounds: Bounds) -> Statement:
    """The next rows, those that are not small without data; none if the table has changed."""
    inner, params, _ = selected(source, selection, key, bounds)
    return Statement(f"SELECT {columns(source, small_only=True)} {inner}", tuple(params))


def sized_page(source: Source, selection: Selection, key: Key | None, bounds: Bounds) -> Statement:
    """The next rows within the bound on bytes, the first of any size; none as of `page`."""
    inner, params, order = selected(source, selection, key, bounds)
    params.append(bounds.bytes_max)
    size = row_bytes(source)
    return Statement(
        f"""
        SELECT {columns(source)} FROM (
            SELECT *, sum({size}) OVER ({order} ROWS UNBOUNDED PRECEDING) - ({size})
                      AS bytes_before
            FROM (SELECT * {inner}) AS rows
        ) AS sized
        WHERE bytes_before < ${len(params)}::bigint
        {order}
        """,
        tuple(params),
    )


def selected(
    source: Source, selection: Selection, key: Key | None, bounds: Bounds
) -> tuple[str, list[Any], str]:
    """FROM, WHERE, ORDER BY and LIMIT of a page, the parameters, and the order by itself."""
    conditions, params = narrowed(source, selection, key)
    descends = selection.backwards
    start = LAST_ID if descends else FIRST_ID
    params.append(start if bounds.after is None else bounds.after)
    conditions.append(f"id {'<' if descends else '>'} ${len(params)}::bigint")
    conditions.append(unchanged(source, params))
    limit = str(PAGE_ROWS_MAX)
    if bounds.rows_max != PAGE_ROWS_MAX:
        # A limit that is no parameter lets PostgreSQL keep its plan: not for each limit, though.
        params.append(bounds.rows_max)
        limit = f"${len(params)}::bigint"
    order = f"ORDER BY id{' DESC' if descends else ''}"
    where = " AND ".join(conditions)
    return f"FROM {source.name} WHERE {where} {order} LIMIT {limit}", params, order


def schemas(source: Source, selection: Selection, after: int | None) -> Statement:
    """The heads of the frames in the selection, each once: byte 0 and the schema's id."""
    conditions, params = narrowed(source, selection, None)
    if after is not None:
        params.append(after)
        conditions.append(f"id > ${len(params)}::bigint")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return Statement(
        f"SELECT DISTINCT substring(data FROM 1 FOR 5) FROM {source.name} {where}", tuple(params)
    )


def narrowed(source: Source, selection: Selection, key: Key | None) -> tuple[list[str], list[Any]]:
    """The conditions of the selection itself, and their parameters."""
    conditions: list[str] = []
    params: list[Any] = []
    if key is not None:
        params.append(key)
        conditions.append(f"key = ${len(params)}::{source.key_type}")
    if selection.since is not None:
        params.append(selection.since)
        conditions.append(f"timestamp >= ${len(params)}::timestamptz")
    if selection.until is not None:
        params.append(selection.until)
        conditions.append(f"timestamp < ${len(params)}::timestamptz")
    return conditions, params


def unchanged(source: Source, params: list[Any]) -> str:
    """The condition that the table is as it was seen; PostgreSQL tests it once, not per row."""
    params += [source.oid, source.xmin]
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = '{source.name}'::regclass"
        f" AND c.oid = ${len(params) - 1}::oid AND c.xmin::text = ${len(params)}::text)"
    )


def row_bytes(source: Source) -> str:
    """The size of what can be large in a row; it reads no value that PostgreSQL keeps apart."""
    sizes = ["coalesce(octet_length(data), 0)"]
    if source.has_metadata:
        sizes.append("coalesce(octet_length(metadata), 0)")
    if source.key_type in UNBOUNDED_KEYS:
        sizes.append("coalesce(octet_length(key), 0)")
    return " + ".join(sizes)


def columns(source: Source, *, small_only: bool = False) -> str:
    """The columns that a row is made of."""
    key, data, metadata = "key", "data", "metadata" if source.has_metadata else "NULL::bytea"
    if small_only:
        data = f"CASE WHEN {row_bytes(source)} <= {SMALL_ROW_BYTES_MAX} THEN data END"
        if source.key_type in UNBOUNDED_KEYS:
            key = f"CASE WHEN octet_length(key) <= {SMALL_ROW_BYTES_MAX} THEN key END"
        if source.has_metadata:
            small = f"octet_length(metadata) <= {SMALL_ROW_BYTES_MAX}"
            metadata = f"CASE WHEN {small} THEN metadata END"
    version = ", version" if source.versioned else ""
    return f"id, {key}, {data}, {metadata}, {TIMESTAMP}{version}"
