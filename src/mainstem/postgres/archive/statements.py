"""Every statement of an archive: those of PostgreSQL by `$1`, those of DuckDB by `?`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mainstem.event import format_lsn
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

SLOTS_BEHIND: Final = """
SELECT slot_name::text, coalesce(confirmed_flush_lsn >= $1::pg_lsn, false)
FROM pg_catalog.pg_replication_slots
WHERE slot_type = 'logical' AND database = current_database() AND NOT temporary"""

LOCK_TIMEOUT: Final = Statement("SET LOCAL lock_timeout = '5s'", answers=False)


def is_over(month: Month) -> Statement:
    """Whether the month has ended on the server."""
    return Statement(NOW_BEYOND, (month.end,))


def slots(lsn: int) -> Statement:
    """Each slot of this database, and whether it has confirmed the WAL up to there."""
    return Statement(SLOTS_BEHIND, (format_lsn(lsn),))


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
