"""Statements that give the demo a database of its own, and take it away again."""

from __future__ import annotations

from mainstem.postgres.naming import identifier


def create_database(name: str) -> str:
    """Create the demo's database; it cannot be part of a transaction."""
    return f"CREATE DATABASE {identifier(name, 'database')}"


def drop_database(name: str) -> str:
    """Drop the demo's database, and whoever is still connected to it."""
    return f"DROP DATABASE IF EXISTS {identifier(name, 'database')} WITH (FORCE)"
