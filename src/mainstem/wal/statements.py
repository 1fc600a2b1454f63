"""Statements about replication slots, and the commands of the replication protocol, as values."""

from __future__ import annotations

from psycopg import sql

PLUGIN = "pgoutput"

SLOT = """
SELECT plugin, database, active_pid, confirmed_flush_lsn::text, coalesce(wal_status, 'lost')
FROM pg_replication_slots WHERE slot_name = %s"""

CREATE_SLOT = f"""
SELECT lsn::text FROM pg_create_logical_replication_slot(%s, '{PLUGIN}')"""

CREATE_FAILOVER_SLOT = f"""
SELECT lsn::text
FROM pg_create_logical_replication_slot(%s, '{PLUGIN}', false, false, true)"""
"""From PostgreSQL 17 on: a standby keeps a copy, so that the line survives a failover."""

DROP_SLOT = "SELECT pg_drop_replication_slot(%s)"

HOLDING_SLOTS = f"""
SELECT slot_name::text FROM pg_replication_slots
WHERE plugin = '{PLUGIN}' AND database = current_database() AND NOT two_phase
  AND coalesce(wal_status, 'lost') <> 'lost'
  AND confirmed_flush_lsn <= %s::pg_lsn
ORDER BY confirmed_flush_lsn DESC"""
"""Those that still hold what committed at a position, with the least to read again first."""

NEVER_IDLE_TOO_LONG = "SET idle_session_timeout = 0"

IDENTIFY_SYSTEM = b"IDENTIFY_SYSTEM"


def start_replication(slot: str, publication: str) -> bytes:
    """Stream the slot from where it is confirmed; a start LSN would be moved silently anyway."""
    command = sql.SQL(
        "START_REPLICATION SLOT {} LOGICAL 0/0"
        " (proto_version '1', publication_names {}, binary 'true', messages 'true')"
    ).format(sql.Identifier(slot), sql.Literal(sql.Identifier(publication).as_string()))
    return command.as_bytes()


def create_temporary_slot(name: str, *, exports_snapshot: bool) -> bytes:
    """A slot that PostgreSQL drops by itself when the connection ends, however it ends."""
    command = sql.SQL(
        f"CREATE_REPLICATION_SLOT {{}} TEMPORARY LOGICAL {PLUGIN} (SNAPSHOT {{}})"
    ).format(sql.Identifier(name), sql.Literal("export" if exports_snapshot else "nothing"))
    return command.as_bytes()


def copy_temporary_slot(source: str, name: str) -> bytes:
    """A temporary copy of a slot; as text without parameters, as a walsender wants it."""
    command = sql.SQL("SELECT lsn::text FROM pg_copy_logical_replication_slot({}, {}, true)")
    return command.format(sql.Literal(source), sql.Literal(name)).as_bytes()


def drop_temporary_slot(name: str) -> bytes:
    """Drop a slot of the replication connection's own."""
    return sql.SQL("DROP_REPLICATION_SLOT {}").format(sql.Identifier(name)).as_bytes()


def timeline_history(timeline: int) -> bytes:
    """Ask for the file that tells where each timeline branched off."""
    return b"TIMELINE_HISTORY %d" % timeline
