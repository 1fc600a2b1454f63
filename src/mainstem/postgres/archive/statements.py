"""Every statement of an archive: those of PostgreSQL by `$1`, those of DuckDB by `?`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mainstem.postgres import naming
from mainstem.postgres.migration.months import Month
from mainstem.postgres.migration.statements import partition
from mainstem.postgres.statements import Statement

FIRST_ID: Final = -(2**63)

ROWS_MAX: Final = 1000
BYTES_MAX: Final = 4 * 1024 * 1024
"""Of one chunk that is held in memory; only a first row that is larger by itself exceeds it."""

SIZE: Final = "(octet_length(data) + coalesce(octet_length(metadata), 0))"

SNAPSHOT: Final = Statement(
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", answers=False
)

NOW_BEYOND: Final = "SELECT now() >= $1::timestamptz"

# Ordinary WAL, so that a slot that has confirmed it has confirmed all that committed before.
MARK: Final = Statement(
    "SELECT pg_catalog.pg_logical_emit_message(false, 'mainstem.archive', '')::text"
)

DATABASE: Final = Statement("SELECT current_database()::text")

# The parent is detached from, the partition dropped.
OWNED: Final = """
SELECT bool_and(pg_catalog.pg_has_role(c.relowner, 'USAGE'))
FROM pg_catalog.pg_class c
WHERE c.oid IN ($1::text::regclass, $2::text::regclass)"""

# Per database, as all advisory locks; the seed keeps it apart from other uses of the text.
TRY_LOCK: Final = (
    "SELECT pg_catalog.pg_try_advisory_lock(hashtextextended($1::text, 7883957270161327441))"
)
UNLOCK: Final = (
    "SELECT pg_catalog.pg_advisory_unlock(hashtextextended($1::text, 7883957270161327441))"
)

LOCK_TIMEOUT: Final = Statement("SET LOCAL lock_timeout = '1s'", answers=False)


def is_over(month: Month) -> Statement:
    """Whether the month has ended on the server."""
    return Statement(NOW_BEYOND, (month.end,))


def owned(topic: str, month: Month) -> Statement:
    """Whether the caller has the rights of the owner of the table and of its partition."""
    return Statement(OWNED, (naming.table(topic), partition(topic, month)))


def try_lock(topic: str, month: Month) -> Statement:
    """Take the month's lock for this session, if it is free; answers whether it was."""
    return Statement(TRY_LOCK, (f"{naming.checked(topic)} {month.text}",))


def unlock(topic: str, month: Month) -> Statement:
    """The inverse of `try_lock`."""
    return Statement(UNLOCK, (f"{naming.checked(topic)} {month.text}",))


def rows(topic: str, month: Month, after: int) -> Statement:
    """The next rows of a month, with the time as microseconds since 1970."""
    return Statement(
        f"""
        SELECT id, key, data, metadata, (extract(epoch FROM timestamp) * 1000000)::bigint FROM (
            SELECT *, sum({SIZE}) OVER (ORDER BY id) - {SIZE} AS bytes_before FROM (
                SELECT id::bigint, key, data, metadata, timestamp
                FROM {partition(topic, month)} WHERE id > $1::bigint ORDER BY id LIMIT {ROWS_MAX}
            ) AS rows
        ) AS sized
        WHERE bytes_before < {BYTES_MAX} ORDER BY id
        """,
        (after,),
    )


def size(topic: str, month: Month) -> Statement:
    """How many rows there are, and the last id: an append-only table with the same is the same."""
    return Statement(f"SELECT count(*), max(id) FROM {partition(topic, month)}")


def lock(topic: str) -> Statement:
    """Keep everybody out; the table before its partition, as those who insert do."""
    return Statement(f"LOCK TABLE {naming.table(topic)} IN ACCESS EXCLUSIVE MODE", answers=False)


def detach(topic: str, month: Month) -> Statement:
    """Take the month out of the topic."""
    table = naming.table(topic)
    sql = f"ALTER TABLE {table} DETACH PARTITION {partition(topic, month)}"
    return Statement(sql, answers=False)


def drop(topic: str, month: Month) -> Statement:
    """Drop the detached month."""
    return Statement(f"DROP TABLE {partition(topic, month)}", answers=False)


COLUMN_TYPES: Final[Mapping[str, str]] = {
    "uuid": "UUID",
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "smallint": "SMALLINT",
    "numeric": "VARCHAR",
    "boolean": "BOOLEAN",
    "bytea": "BLOB",
}
"""Key types, and DuckDB's types that hold them without loss."""

IN_UTC: Final = "SET TimeZone = 'UTC'"

STAGE: Final = """
INSERT INTO stage
SELECT id, CAST(key AS {key_type}), data, metadata, CAST(make_timestamp(us) AS TIMESTAMPTZ)
FROM chunk"""

SAVE: Final = """
COPY stage TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192, KV_METADATA {{
    'mainstem.topic': '{topic}', 'mainstem.month': '{month}', 'mainstem.key_type': '{key}'
}})"""

KEY_TYPE: Final = (
    "SELECT CAST(value AS VARCHAR) FROM parquet_kv_metadata(?) WHERE key = 'mainstem.key_type'"
)

ARCHIVED: Final = f"""
SELECT id, key, data, metadata, us FROM (
    SELECT *, sum({SIZE}) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - {SIZE} AS bytes_before
    FROM (
        SELECT id, key, data, metadata, epoch_us(timestamp) AS us FROM read_parquet(?)
        WHERE id > ? AND us >= ? AND us < ? ORDER BY id LIMIT ?
    )
)
WHERE bytes_before < {BYTES_MAX} ORDER BY id"""


def create_stage(key_type: str) -> str:
    """The columns of a file: those of the table."""
    return (
        f"CREATE TABLE stage (id BIGINT, key {COLUMN_TYPES[key_type]}, data BLOB, metadata BLOB,"
        " timestamp TIMESTAMPTZ)"
    )


def stage(key_type: str) -> str:
    """Take a chunk over."""
    return STAGE.format(key_type=COLUMN_TYPES[key_type])


def save(file: str, topic: str, month: Month, key_type: str) -> str:
    """Write what was staged, in its order."""
    quoted = file.replace("'", "''")
    return SAVE.format(file=quoted, topic=naming.checked(topic), month=month.text, key=key_type)
