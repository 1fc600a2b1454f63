"""Every statement of the event tables as a value; who runs it is the driver's business.

Parameters are `$1`, `$2`, … each used once and in order, so that any driver can bind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from mainstem.event import Key
from mainstem.postgres import naming

TEXTS_MAX: Final = 1024


class Statement(NamedTuple):
    """SQL with its parameters, and whether its success makes events durable."""

    sql: str
    params: tuple[Any, ...] = ()
    commits: bool = False
    """If the connection breaks while it runs, nobody knows whether the events are saved."""
    answers: bool = True
    """Whether there are rows to fetch: in pipeline mode a driver could not tell."""


class Row(NamedTuple):
    """One event as the columns of its table."""

    key: Key
    data: bytes
    metadata: bytes | None
    timestamp: datetime


class Target(NamedTuple):
    """The table that an insert is meant for."""

    name: str
    """Quoted, from naming.table."""
    key_type: str
    oid: int
    versioned: bool = False
    idempotent: bool = False
    has_metadata: bool = True


BEGIN = Statement("BEGIN", answers=False)
COMMIT = Statement("COMMIT", commits=True, answers=False)
ROLLBACK = Statement("ROLLBACK", answers=False)

# Times in UTC are read several times as fast as those in another zone that means the same.
SET_UP: Final = (
    "SELECT pg_catalog.pg_backend_pid(), pg_catalog.set_config('TimeZone', 'UTC', false)"
)

REPLICATED_TABLES = Statement(
    f"""
    SELECT c.relname::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = '{naming.EVENT_SCHEMA}'
      AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition
      AND right(c.relname, {len(naming.REPLICATED_SUFFIX)}) = '{naming.REPLICATED_SUFFIX}'
    ORDER BY c.relname
    """
)

# The cache of the sequence behind `id`, be it serial, identity or a default written by hand.
INSPECT = f"""
    SELECT c.oid::bigint, c.relkind::text, c.relpersistence::text,
           a.attname::text, a.atttypid::bigint, pg_catalog.format_type(a.atttypid, a.atttypmod),
           a.atttypmod, a.attnotnull, a.atthasdef OR a.attidentity <> '',
           (SELECT max(s.seqcache)
            FROM pg_catalog.pg_depend d
            LEFT JOIN pg_catalog.pg_attrdef f
              ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
            JOIN pg_catalog.pg_sequence s
              ON s.seqrelid = CASE WHEN f.oid IS NULL THEN d.objid ELSE d.refobjid END
            WHERE (f.adrelid = c.oid AND f.adnum = a.attnum
                   AND d.refclassid = 'pg_catalog.pg_class'::regclass)
               OR (d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'i'
                   AND d.refclassid = 'pg_catalog.pg_class'::regclass
                   AND d.refobjid = c.oid AND d.refobjsubid = a.attnum)),
           -- A trigger BEFORE INSERT FOR EACH ROW (bits 1, 2 and 4), or a rule ON INSERT.
           EXISTS (SELECT FROM pg_catalog.pg_trigger t
                   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 7 = 7)
           OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r
                      WHERE r.ev_class = c.oid AND r.ev_type = '3'),
           guards.versions, guards.event_ids
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    -- Unique indexes that ON CONFLICT can name, over whole columns and for all rows.
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(names = ARRAY['key', 'version']), false) AS versions,
               coalesce(bool_or(names = ARRAY['event_id']), false) AS event_ids
        FROM (SELECT ARRAY(SELECT k.attname::text
                           FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS place
                           JOIN pg_catalog.pg_attribute k
                             ON k.attrelid = c.oid AND k.attnum = i.indkey[place]
                           ORDER BY k.attname) AS names
              FROM pg_catalog.pg_index i
              WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                AND i.indpred IS NULL AND i.indexprs IS NULL) AS unique_index
    ) AS guards
    WHERE n.nspname = '{naming.EVENT_SCHEMA}' AND c.relname = $1
    ORDER BY a.attnum
"""

# Covers publications of single tables, of whole schemas and of everything.
PUBLISHES = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                   WHERE t.pubname = p.pubname AND t.schemaname = $1 AND t.tablename = $2)
    FROM pg_catalog.pg_publication p
    WHERE p.pubname = $3
"""


# A transaction of its own. It answers where its message ends, which is before its commit.
FLUSH = Statement(
    "SELECT pg_catalog.pg_logical_emit_message(true, 'mainstem'::text, 'flush'::text)::text"
)


def inspect(topic: str) -> Statement:
    """One row for each column of the topic's table, with facts of the table; none if absent."""
    return Statement(INSPECT, (naming.checked(topic),))


def publishes(publication: str, topic: str) -> Statement:
    """Whether the publication holds the topic's table; no row if there is no publication."""
    return Statement(PUBLISHES, (naming.EVENT_SCHEMA, topic, publication))


def insert_one(table: Target, row: Row, *, commits: bool = False) -> Statement:
    """Insert one event; answers its id, or nothing if the table is not the one that was seen."""
    if row.metadata is None:
        sql = insert_one_text(table.name, table.key_type, with_metadata=False)
        return Statement(sql, (row.key, row.data, row.timestamp, table.oid), commits)
    sql = insert_one_text(table.name, table.key_type, with_metadata=True)
    return Statement(sql, (*row, table.oid), commits)


@lru_cache(TEXTS_MAX)
def insert_one_text(name: str, key_type: str, *, with_metadata: bool) -> str:
    """The text for a table, which is made once."""
    if with_metadata:
        return f"""
            INSERT INTO {name} (key, data, metadata, timestamp)
            SELECT $1::{key_type}, $2::bytea, $3::bytea, $4::timestamptz
            WHERE '{name}'::regclass = $5::oid
            RETURNING id
            """
    return f"""
        INSERT INTO {name} (key, data, timestamp)
        SELECT $1::{key_type}, $2::bytea, $3::timestamptz
        WHERE '{name}'::regclass = $4::oid
        RETURNING id
        """


def insert_many(table: Target, rows: Sequence[Row]) -> Statement:
    """Insert events by one statement of a constant text; answers their ids in the same order.

    It answers nothing if the table is not the one that was seen.
    The ordinality is what makes the order a promise: ids are drawn after the sort.
    It costs nothing, because PostgreSQL knows that unnest delivers in that order.
    """
    keys, data, metadata, timestamps = (list(column) for column in zip(*rows, strict=True))
    if all(entry is None for entry in metadata):
        return Statement(
            f"""
            INSERT INTO {table.name} (key, data, timestamp)
            SELECT key, data, timestamp
            FROM unnest($1::{table.key_type}[], $2::bytea[], $3::timestamptz[])
                 WITH ORDINALITY AS event (key, data, timestamp, place)
            WHERE '{table.name}'::regclass = $4::oid
            ORDER BY place
            RETURNING id
            """,
            (keys, data, timestamps, table.oid),
        )
    return Statement(
        f"""
        INSERT INTO {table.name} (key, data, metadata, timestamp)
        SELECT key, data, metadata, timestamp
        FROM unnest($1::{table.key_type}[], $2::bytea[], $3::bytea[], $4::timestamptz[])
             WITH ORDINALITY AS event (key, data, metadata, timestamp, place)
        WHERE '{table.name}'::regclass = $5::oid
        ORDER BY place
        RETURNING id
        """,
        (keys, data, metadata, timestamps, table.oid),
    )
