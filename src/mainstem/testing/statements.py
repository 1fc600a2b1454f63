"""Statements about throw-away databases."""

from __future__ import annotations

from mainstem.postgres import naming
from mainstem.postgres.statements import Statement

TERMINATE_TIMEOUT_MS = 5000


def create_database(name: str) -> Statement:
    """Create an empty database, whatever the server's template holds."""
    return Statement(f"CREATE DATABASE {database(name)} TEMPLATE template0", answers=False)


def copy_database(name: str, template: str) -> Statement:
    """Create a database as a copy of one that nobody is connected to."""
    return Statement(
        f"CREATE DATABASE {database(name)} TEMPLATE {database(template)}", answers=False
    )


def terminate_sessions(name: str) -> Statement:
    """End all sessions of a database, and wait for them, or their slots would still be active."""
    return Statement(
        f"""
        SELECT pg_catalog.pg_terminate_backend(pid, {TERMINATE_TIMEOUT_MS})
        FROM pg_catalog.pg_stat_activity WHERE datname = $1
        """,
        (name,),
    )


def drop_slots(name: str) -> Statement:
    """Drop the replication slots that keep a database from being dropped."""
    return Statement(
        """
        SELECT pg_catalog.pg_drop_replication_slot(slot_name)
        FROM pg_catalog.pg_replication_slots WHERE database = $1
        """,
        (name,),
    )


def drop_database(name: str) -> Statement:
    """Drop a database, if it is there."""
    return Statement(f"DROP DATABASE IF EXISTS {database(name)} WITH (FORCE)", answers=False)


def database(name: str) -> str:
    """The quoted name of a database; InvalidName."""
    return naming.identifier(name, "database")
