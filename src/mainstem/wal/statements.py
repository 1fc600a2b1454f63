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

IDENTIFY_SYSTEM = b"IDENTIFY_SYSTEM"


def start_replication(slot: str, publication: str) -> bytes:
    """Stream the slot from where it is confirmed; a start LSN would be moved silently anyway."""
    command = sql.SQL(
        "START_REPLICATION SLOT {} LOGICAL 0/0"
        " (proto_version '1', publication_names {}, binary 'true', messages 'true')"
    ).format(sql.Identifier(slot), sql.Literal(sql.Identifier(publication).as_string()))
    return command.as_bytes()


def timeline_history(timeline: int) -> bytes:
    """Ask for the file that tells where each timeline branched off."""
    return b"TIMELINE_HISTORY %d" % timeline
