"""A full disk under the event table: nothing of what was refused is saved, and it goes on after."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import OutcomeUnknown, ServerUnavailable
from mainstem.event import Event, StoredEvent
from mainstem.postgres import AsyncPostgresEventStore, PostgresEventStore, create_topic
from mainstem.registry.memory import MemoryRegistry
from tests.postgres.crowd import CALLERS, Crowd
from tests.postgres.payloads import Noted

pytestmark = pytest.mark.faults

DISK_BYTES = 16 << 20
EVENT_BYTES = 100_000


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory, fresh_database: str) -> Iterator[str]:
    """A tablespace on a disk of 16 MB, for the database of this test; it takes root on Linux."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk takes root on Linux")
    name = f"small_{uuid4().hex[:8]}"
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        owner = Path(row[0]).stat()
        for place in (folder, *folder.parents[:2]):
            place.chmod(0o755)
        os.chown(folder, owner.st_uid, owner.st_gid)
        connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        try:
            yield name
        finally:
            connection.execute("DROP SCHEMA IF EXISTS events CASCADE")
            connection.execute("DROP TABLE IF EXISTS public.ballast")
            connection.execute(f"DROP TABLESPACE {name}")
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", [PostgresEventStore, AsyncPostgresEventStore])
async def test_a_full_disk_refuses_and_forgets_nothing(
    small_disk: str, fresh_database: str, topic: str, kind: Any
) -> None:
    """Aim: each answer is true while the disk fills up. Method: 64 callers, more than it holds."""
    with (
        psycopg.connect(fresh_database, autocommit=True) as connection,
        ThreadPoolExecutor(CALLERS) as threads,
    ):
        create_topic(connection, topic)
        connection.execute(f"ALTER TABLE events.{topic} SET TABLESPACE {small_disk}")
        # What is compressed would never fill it.
        connection.execute(f"ALTER TABLE events.{topic} ALTER data SET STORAGE EXTERNAL")
        # Ballast, to be thrown off when the disk is full.
        connection.execute(
            f"CREATE TABLE public.ballast TABLESPACE {small_disk}"
            " AS SELECT repeat('x', 900) FROM generate_series(1, 4000)"
        )
        crowd = Crowd(kind.open(fresh_database, registry=MemoryRegistry()), threads)
        events = [
            Event(uuid4(), Noted(text="x" * EVENT_BYTES, count=n))
            for n in range(4 * DISK_BYTES // EVENT_BYTES // 3)
        ]
        outcomes = await crowd.save(topic, events)
        rows = connection.execute(f"SELECT key, id FROM events.{topic}").fetchall()
        connection.execute("DROP TABLE public.ballast")
        connection.execute("CHECKPOINT")
        (after,) = await crowd.save(topic, events[:1])
        await crowd.close()
    saved = [(o.key, o.id) for o in outcomes if isinstance(o, StoredEvent)]
    refused = [o for o in outcomes if isinstance(o, ServerUnavailable)]

    assert saved
    assert refused
    assert len(saved) + len(refused) == len(outcomes)
    assert not any(isinstance(outcome, OutcomeUnknown) for outcome in refused)
    assert sorted(rows) == sorted(saved)
    assert isinstance(after, StoredEvent)
