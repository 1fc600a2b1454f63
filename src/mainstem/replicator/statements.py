"""Every statement of the replicator's ordinary connection, as values."""

from __future__ import annotations

from mainstem.postgres.naming import EVENT_SCHEMA, identifier, table

LOCK_KEY = -4611077820993503210
"""The Java original's advisory lock: its replicator and ours never serve one store together."""
LOCK_CLASS, LOCK_OBJECT = LOCK_KEY >> 32 & 0xFFFFFFFF, LOCK_KEY & 0xFFFFFFFF

TRY_LOCK = f"SELECT pg_try_advisory_lock({LOCK_KEY})"

LOCK_HOLDER = f"""
SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND granted AND datname = current_database()
  AND classid = {LOCK_CLASS} AND objid = {LOCK_OBJECT}"""

EXPIRE_WHEN_IDLE = "SELECT set_config('idle_session_timeout', %s, false)"
"""A replicator that is stopped or cut off loses its lock session, and with it the lock."""

WAL_LEVEL = "SELECT current_setting('wal_level')"

PUBLICATION = """
SELECT oid, xmin::text::bigint,
       pubinsert AND NOT (pubupdate OR pubdelete OR pubtruncate) AND pubviaroot
FROM pg_publication WHERE pubname = %s"""

PUBLISHED = f"""
SELECT c.relname, coalesce(r.oid, 0)::bigint,
       coalesce(r.prqual IS NOT NULL OR r.prattrs IS NOT NULL, false)
FROM pg_publication_tables t
JOIN pg_class c ON c.relname = t.tablename
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname
JOIN pg_publication p ON p.pubname = t.pubname
LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
WHERE t.pubname = %s AND t.schemaname = '{EVENT_SCHEMA}'"""

FLUSH_LSN = "SELECT pg_current_wal_flush_lsn()::text"

UNPUBLISHED_PARTITIONS = """
SELECT c.relname FROM pg_partition_tree(%s::oid::regclass) t JOIN pg_class c ON c.oid = t.relid
WHERE c.relpersistence <> 'p' OR c.relkind NOT IN ('r', 'p')"""

INSERT_LSN = "SELECT pg_current_wal_insert_lsn()::text"

LAG_BYTES = "SELECT pg_current_wal_flush_lsn() - %s::pg_lsn"

EMIT = "SELECT pg_logical_emit_message(true, %s, %s)"

FENCE_TIMEOUT = "SET LOCAL lock_timeout = '200ms'"
"""Writers queue up behind a waiting lock, so it waits briefly and tries again."""


def create_publication(name: str, topics: list[str]) -> str:
    """A publication of the inserts of these event tables, or of none yet."""
    tables = ", ".join(table(topic) for topic in topics)
    return (
        f"CREATE PUBLICATION {identifier(name, 'publication')}"
        + (f" FOR TABLE {tables}" if tables else "")
        + " WITH (publish = 'insert', publish_via_partition_root = true)"
    )


def add_table(publication: str, topic: str) -> str:
    """Add an event table to the publication."""
    return f"ALTER PUBLICATION {identifier(publication, 'publication')} ADD TABLE {table(topic)}"


def lock_table(topic: str) -> str:
    """Wait for the table's writers, and keep others out until the transaction ends."""
    return f"LOCK TABLE {table(topic)} IN SHARE MODE"


def fence(topic: str) -> str:
    """The WAL position and the largest id, under the lock."""
    return f"SELECT pg_current_wal_insert_lsn()::text, (SELECT max(id) FROM {table(topic)})"


def has_rows(topic: str) -> str:
    """Whether the table holds any row."""
    return f"SELECT EXISTS (SELECT FROM {table(topic)})"


def chunk(topic: str, *, has_metadata: bool) -> str:
    """The next rows of a backfill in the order of their ids, bounded by rows and bytes."""
    metadata = "metadata" if has_metadata else "NULL::bytea AS metadata"
    return (
        "SELECT id, key, data, metadata, timestamp FROM ("
        " SELECT *, sum(octet_length(data)) OVER (ORDER BY id) - octet_length(data) AS before"
        f" FROM (SELECT id, key, data, {metadata}, timestamp FROM {table(topic)}"
        " WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) AS rows"
        ") AS sized WHERE before < %s ORDER BY id"
    )
