"""Replication slots: create, inspect, drop, through an ordinary connection."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from mainstem.event import parse_lsn
from mainstem.wal import statements

FAILOVER_SLOTS_VERSION = 170000


class Slot(NamedTuple):
    """What the server says of a slot."""

    name: str
    plugin: str
    database: str | None
    active_pid: int | None
    confirmed_flush_lsn: int
    """0 where the slot never confirmed anything."""
    wal_status: str
    """`lost` once PostgreSQL gave up the WAL that the slot needs."""


def inspect_slot(connection: Connection[Any], name: str) -> Slot | None:
    """The slot, or None where there is none."""
    row = connection.execute(statements.SLOT, (name,)).fetchone()
    if row is None:
        return None
    plugin, database, active_pid, confirmed, wal_status = row
    lsn = parse_lsn(confirmed) if confirmed else 0
    return Slot(name, plugin, database, active_pid, lsn, wal_status)


def create_slot(connection: Connection[Any], name: str) -> int:
    """Create the slot; everything that commits from the returned LSN on is in its stream.

    Waits until each transaction that is open anywhere in the cluster has ended.
    """
    failover = connection.info.server_version >= FAILOVER_SLOTS_VERSION
    statement = statements.CREATE_FAILOVER_SLOT if failover else statements.CREATE_SLOT
    row = connection.execute(statement, (name,)).fetchone()
    assert row is not None
    return parse_lsn(row[0])


def drop_slot(connection: Connection[Any], name: str) -> None:
    """Drop the slot and let the server remove the WAL that it held back."""
    connection.execute(statements.DROP_SLOT, (name,))
