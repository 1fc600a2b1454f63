"""The Django project lives: its tests under Django's runner, its migrations, its commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainstem.postgres.topics import inspect_topic
from tests.contrib.django.project.ledger.events import TOPIC
from tests.contrib.django.running import django

pytestmark = pytest.mark.stack
TESTS_MIN = 15
ROW = "(1, gen_random_uuid(), '', NULL, now(), 1, NULL)"
SAVE = f"""
from uuid import uuid4
from mainstem import Event
from mainstem.contrib.django import event_store
from tests.contrib.django.project.ledger.events import Noted
print(event_store().save("{TOPIC}", Event(uuid4(), Noted(text="ä"))).id)
"""


@contextmanager
def database(server: str) -> Iterator[str]:
    """A database that ends with the block."""
    name = f"dj{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def migrated(database_url: str) -> Iterator[str]:
    """Address of a database that the project has migrated; no test undoes that."""
    with database(database_url) as address:
        done = django(address, "migrate", "--verbosity=0")
        assert done.returncode == 0, done.stderr
        yield address


def test_django_runs_the_suites_of_the_project(database_url: str) -> None:
    """Aim: TestCase, TransactionTestCase, views, checks. Method: Django's own test runner.

    It makes a database, migrates it, and drops it at the end, which fails where a connection of
    ours is left.
    """
    address = make_conninfo(database_url, dbname=f"dj{uuid4().hex[:12]}")
    done = django(address, "test", "tests.contrib.django.project", "--pattern=suite_*.py")
    ran = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)

    assert done.returncode == 0, done.stderr
    assert ran is not None
    assert int(ran[1]) >= TESTS_MIN


def test_a_migration_creates_the_topic_and_models_see_nothing_of_it(migrated: str) -> None:
    """Aim: the table is as asked for, and Django leaves it alone. Method: look; makemigrations."""
    again = django(migrated, "makemigrations", "--check", "--dry-run")
    with psycopg.connect(migrated) as connection:
        table = inspect_topic(connection, TOPIC)

    assert (table.versioned, table.idempotent) == (True, True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "No changes detected" in again.stdout


def test_a_migration_is_undone_only_while_no_event_is_lost(database_url: str) -> None:
    """Aim: no way back loses events. Method: back and forth while empty, then with an event."""
    with database(database_url) as address:
        steps = [("migrate", "ledger"), ("migrate", "ledger", "zero"), ("migrate", "ledger")]
        codes = [django(address, *step).returncode for step in steps]
        with psycopg.connect(address) as connection:
            connection.execute(f"INSERT INTO events.{TOPIC} VALUES {ROW}")
        refused = django(address, "migrate", "ledger", "zero")
        with psycopg.connect(address) as connection:
            row = connection.execute(f"SELECT count(*) FROM events.{TOPIC}").fetchone()

    assert codes == [0, 0, 0]
    assert refused.returncode != 0
    assert "events are for ever" in refused.stderr
    assert row == (1,)


def test_sqlmigrate_prints_what_migrate_runs(migrated: str, database_url: str) -> None:
    """Aim: a DBA may run it instead. Method: run what is printed elsewhere, compare the tables."""
    printed = django(migrated, "sqlmigrate", "ledger", "0001").stdout
    with (
        database(database_url) as elsewhere,
        psycopg.connect(elsewhere) as other,
        psycopg.connect(migrated) as original,
    ):
        other.execute(printed.encode())
        copied, wanted = columns(other, TOPIC), columns(original, TOPIC)

    assert copied == wanted
    assert copied


def test_our_command_line_works_on_the_database_of_django(migrated: str) -> None:
    """Aim: no address is given twice. Method: create a topic, then one with a bad name."""
    created = django(migrated, "mainstem", "topic", "create", "more_events", "--json")
    refused = django(migrated, "mainstem", "topic", "create", "More-Events")
    with psycopg.connect(migrated) as connection:
        table = inspect_topic(connection, "more_events")

    assert created.returncode == 0, created.stderr
    assert json.loads(created.stdout)["topic"] == table.topic
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")


def test_a_process_ends_without_leaving_a_connection(migrated: str) -> None:
    """Aim: nobody has to close the store. Method: one save of its own, with warnings as errors."""
    done = django(migrated, "shell", "--no-imports", f"--command={SAVE}")

    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_missing_django_is_named() -> None:
    """Aim: the extra to install. Method: import the app where Django cannot be imported."""
    code = (
        "import sys; sys.modules['django'] = None\n"
        "try:\n    import mainstem.contrib.django\n"
        "except Exception as error:\n    print(error.name, error.hint)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert told == "missing-extra pip install 'mainstem[django]'\n"


def columns(connection: psycopg.Connection[Any], table: str) -> list[tuple[Any, ...]]:
    """The table's columns as the catalog tells them."""
    return connection.execute(
        "SELECT table_schema, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
