"""Replication slots: create, inspect, drop, through an ordinary connection."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from mainstem.event import format_lsn, parse_lsn
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


class TemporarySlot(NamedTuple):
    """A slot that ends with the replication connection that made it."""

    name: str
    lsn: int
    """Everything that commits from here on is in its stream."""
    snapshot: str | None
    """Shows what committed before; may be imported until the connection's next command."""


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


def create_temporary_slot(
    connection: Connection[Any], name: str, *, exports_snapshot: bool
) -> TemporarySlot:
    """Create a slot on a replication connection, which alone can read it.

    Waits as `create_slot` does.
    """
    connection.execute(statements.NEVER_IDLE_TOO_LONG)
    command = statements.create_temporary_slot(name, exports_snapshot=exports_snapshot)
    row = connection.execute(command).fetchone()
    assert row is not None
    return TemporarySlot(name, parse_lsn(row[1]), row[2])


def copy_temporary_slot(connection: Connection[Any], source: str, name: str) -> TemporarySlot:
    """Copy a slot, though another connection reads it, on a replication connection.

    The source may move while it is copied: `lsn` is where the copy begins.
    """
    connection.execute(statements.NEVER_IDLE_TOO_LONG)
    row = connection.execute(statements.copy_temporary_slot(source, name)).fetchone()
    assert row is not None
    return TemporarySlot(name, parse_lsn(row[0]), None)


def drop_temporary_slot(connection: Connection[Any], slot: TemporarySlot) -> None:
    """Drop a slot before its connection ends."""
    connection.execute(statements.drop_temporary_slot(slot.name))


def slots_holding(connection: Connection[Any], lsn: int) -> list[str]:
    """Slots of this database that still hold what committed at `lsn`, the nearest first."""
    return [
        name
        for (name,) in connection.execute(statements.HOLDING_SLOTS, (format_lsn(lsn),)).fetchall()
    ]
