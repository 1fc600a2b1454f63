"""Every statement of a follower's ordinary connections, as values."""

from __future__ import annotations

from mainstem.event import format_lsn
from mainstem.postgres import naming
from mainstem.postgres.statements import Statement

XID_AGE_MAX = 2_147_483_647

MEMBERSHIP = f"""
    SELECT p.oid::bigint || ':' || p.xmin::text
           || ' ' || coalesce(r.oid::bigint || ':' || r.xmin::text, '-')
           || ' ' || coalesce(n.oid::bigint || ':' || n.xmin::text, '-'),
           p.pubinsert AND NOT (p.pubupdate OR p.pubdelete OR p.pubtruncate)
           AND r.prqual IS NULL AND r.prattrs IS NULL,
           p.pubviaroot,
           EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                   WHERE t.pubname = p.pubname AND t.schemaname = $1 AND t.tablename = $2)
           -- That view shows partitions only, where they do not count as the topic's table.
           OR (c.relkind = 'p' AND NOT p.pubviaroot
               AND (p.puballtables OR r.oid IS NOT NULL OR n.oid IS NOT NULL)),
           c.oid::bigint,
           least(abs(age(p.xmin)), coalesce(abs(age(r.xmin)), {XID_AGE_MAX}),
                 coalesce(abs(age(n.xmin)), {XID_AGE_MAX}))
    FROM pg_catalog.pg_publication p
    LEFT JOIN pg_catalog.pg_namespace s ON s.nspname = $3
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = $4
    LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
    LEFT JOIN pg_catalog.pg_publication_namespace n ON n.pnpubid = p.oid AND n.pnnspid = s.oid
    WHERE p.pubname = $5
"""
"""What makes the table's changes public, in a form that differs once any of it was redone; how
many transactions ago that was; and the table's oid."""

NEVER_IDLE_TOO_LONG = Statement(
    "SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false),"
    " pg_catalog.set_config('idle_session_timeout', '0', false)"
)
BEGIN_READING = Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", answers=False)
WAL_LEVEL = Statement("SELECT pg_catalog.current_setting('wal_level')")

MAY_REPLICATE = Statement(
    "SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
)

HELD_BYTES = """
    SELECT (pg_catalog.pg_current_wal_flush_lsn() - confirmed_flush_lsn)::bigint
    FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
"""
CUT = "SELECT pg_catalog.pg_terminate_backend($1::int)"
UNPUBLISHED_PARTITIONS = """
    SELECT c.relname::text FROM pg_catalog.pg_partition_tree($1::bigint::oid::regclass) t
    JOIN pg_catalog.pg_class c ON c.oid = t.relid
    WHERE c.relpersistence <> 'p' OR c.relkind NOT IN ('r', 'p')
"""
XID_AGE = "SELECT pg_catalog.age($1::text::xid)"
REACHED = "SELECT pg_catalog.pg_current_wal_flush_lsn() > $1::text::pg_lsn"


def membership(publication: str, topic: str) -> Statement:
    """How the publication holds the topic's table; no row without a publication."""
    schema = naming.EVENT_SCHEMA
    return Statement(MEMBERSHIP, (schema, topic, schema, topic, publication))


def held_bytes(slot: str) -> Statement:
    """How much WAL was written beyond what the slot's reader has confirmed."""
    return Statement(HELD_BYTES, (slot,))


def unpublished_partitions(table_oid: int) -> Statement:
    """Partitions whose changes PostgreSQL does not publish."""
    return Statement(UNPUBLISHED_PARTITIONS, (table_oid,))


def cut(backend_pid: int) -> Statement:
    """End a session of our own role."""
    return Statement(CUT, (backend_pid,))


def xid_age(xid: int) -> Statement:
    """How many transactions ago this one began."""
    return Statement(XID_AGE, (str(xid),))


def reached(lsn: int) -> Statement:
    """Whether the server's WAL goes beyond the LSN."""
    return Statement(REACHED, (format_lsn(lsn),))


def import_snapshot(snapshot: str) -> Statement:
    """See what the slot's snapshot sees; PostgreSQL takes no parameter here."""
    quoted = snapshot.replace("'", "''")
    return Statement(f"SET TRANSACTION SNAPSHOT '{quoted}'", answers=False)


def publishing(publication: str, topic: str, *, exists: bool) -> str:
    """What the owner of the publication, or of the table, would run to publish the topic."""
    table = f"{naming.EVENT_SCHEMA}.{naming.checked(topic)}"
    if exists:
        return f"ALTER PUBLICATION {publication} ADD TABLE {table}"
    return (
        f"CREATE PUBLICATION {publication} FOR TABLE {table}"
        " WITH (publish = 'insert', publish_via_partition_root = true)"
    )


def through_roots(publication: str) -> str:
    """What the owner of the publication would run, so that partitions count as their topic."""
    return f"ALTER PUBLICATION {publication} SET (publish_via_partition_root = true)"


def page(topic: str, columns: tuple[str, ...]) -> str:
    """The rows with ids behind one, in their order, bounded by rows and bytes.

    A first row that is larger than the bound comes alone. One without data comes as well: it is
    no event, and must not be passed over.
    """
    wanted, size = ", ".join(columns), "coalesce(octet_length(data), 0)"
    return (
        f"SELECT {wanted} FROM ("
        f" SELECT *, sum({size}) OVER (ORDER BY id) - {size} AS before"
        f" FROM (SELECT {wanted} FROM {naming.table(topic)}"
        " WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint) AS rows"
        ") AS sized WHERE before < $3::bigint ORDER BY id"
    )
