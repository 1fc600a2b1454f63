"""A database of their own for these tests, shared with no replicator."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo


@pytest.fixture(scope="module")
def store_database(database_url: str) -> Iterator[str]:
    """Address of a new database, which goes with the module."""
    name = f"testing_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield make_conninfo(database_url, dbname=name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
