"""The pytest plugin: its fixtures as a project of its own uses them, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from mainstem.testing.databases import PREFIX, Databases

PROJECT = """
from dataclasses import dataclass
from uuid import uuid4
import pytest
from mainstem import Event, Int32, event_type
from mainstem.postgres import TopicOptions

@event_type("com.example.plugin")
@dataclass(frozen=True)
class Counted:
    count: Int32

@pytest.fixture
def event_topics():
    return {"order_events": TopicOptions(versioned=True)}

@pytest.fixture
def event_types():
    return (Counted,)

@pytest.mark.parametrize("count", [1, 2])
def test_sync(event_store, count):
    stored = event_store.save("order_events", Event(uuid4(), Counted(count)), expected_version=0)
    assert list(event_store.read_all("order_events")) == [stored]

@pytest.mark.asyncio
async def test_async(async_event_store):
    stored = await async_event_store.save("order_events", Event(uuid4(), Counted(3)))
    assert [each async for each in async_event_store.read_all("order_events")] == [stored]

@pytest.mark.parametrize("event_topics", [["a_events", "b_events"]])
def test_other_topics(event_store, mainstem_database):
    stored = event_store.save("b_events", Event(uuid4(), Counted(4)))
    assert list(event_store.read_all("*_events")) == [stored]
    assert mainstem_database
"""


@pytest.mark.stack
def test_each_test_has_a_database_of_its_own(database_url: str, tmp_path: Path) -> None:
    """Run a project whose tests save to one topic, each for itself; no database is left behind."""
    (tmp_path / "test_project.py").write_text(PROJECT, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    command += ["-o", "asyncio_default_fixture_loop_scope=function", "--durations=3"]

    ran = subprocess.run(
        command,
        check=False,
        cwd=tmp_path,
        env=environment(database_url),
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


@pytest.mark.stack
def test_a_database_goes_with_what_holds_on_to_it(database_url: str) -> None:
    """Leave a session and a replication slot in a throw-away database: it is dropped."""
    databases = Databases(database_url)
    with databases.one(["order_events"]) as address:
        name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
        left = psycopg.connect(address, autocommit=True)
        left.execute(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
        left.execute("SELECT 1 FROM events.order_events")
    databases.close()
    databases.close()
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = %s", (name,)
        ).fetchall()

    assert str(name).startswith(PREFIX)
    assert found == []
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")


def test_the_plugin_is_light() -> None:
    """Every pytest session pays for it: import it, and look at what came along."""
    code = (
        "import sys, pytest; import mainstem.testing.plugin;"
        " print(sorted(n for n in sys.modules if n.startswith('mainstem')))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert "mainstem.testing.plugin" in printed
    for room in ("postgres", "stack", "wire", "kafka", "registry"):
        assert f"mainstem.{room}" not in printed


def environment(database_url: str) -> dict[str, str]:
    """Where the project finds PostgreSQL, and no settings of this session."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**kept, "DATABASE_URL": database_url}
