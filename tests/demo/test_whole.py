"""The whole demo as a process of its own, on the session's servers: run, failed, interrupted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
import pytest

from mainstem.demo.replication import ReplicatorProcess
from mainstem.demo.settings import Place
from mainstem.errors import StackError
from mainstem.kafka import KafkaSettings

DEMO_TIMEOUT_S = 100


@contextmanager
def running(
    database_url: str, kafka: KafkaSettings, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """`mainstem demo` with these options, killed if it outlives the block."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
    }
    command = [sys.executable, "-m", "mainstem", "demo", *options]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(stream: IO[str] | None, start: str) -> list[str]:
    """The lines up to the first that begins like this; all of them if none does."""
    assert stream is not None
    lines = []
    for line in stream:
        lines.append(line)
        if line.startswith(start):
            break
    return lines


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def leftovers(database_url: str) -> list[tuple[str]]:
    """Databases and slots of demos."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'mainstem_demo_%'"
            " UNION SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE '%_demo_%'"
        ).fetchall()


@pytest.mark.timeout(DEMO_TIMEOUT_S)
def test_a_demo_proves_its_claim_and_leaves_nothing(
    database_url: str, kafka: KafkaSettings
) -> None:
    """Aim: the whole way, once. Method: 3,000 lines, one kill, the JSON object, the leftovers."""
    with running(database_url, kafka, "--events", "3000", "--kills", "1", "--json") as process:
        out, told = process.communicate(timeout=DEMO_TIMEOUT_S)
    proof = json.loads(out.splitlines()[-1])

    assert process.returncode == 0, told
    assert len(out.splitlines()) == 1
    assert {
        name: proof[name] for name in ("saved", "in_kafka", "lost", "doubled", "reordered")
    } == {
        "saved": 3_000,
        "in_kafka": 3_000,
        "lost": 0,
        "doubled": 0,
        "reordered": 0,
    }
    assert (proof["kills"], proof["bitten"], proof["verdict"]) == (1, 1, "pass")
    assert proof["aborted"] > 0
    assert (proof["projection_kills"], proof["projection_bitten"]) == (1, 1)
    assert (proof["projection_differences"], proof["projection_rows"] > 1) == (0, True)
    assert "line 39,531 refused, line-cut-off" in told
    assert "✗ kill -9 pid" in told
    assert "took over after" in told
    assert "United Kingdom" in told
    assert leftovers(database_url) == []


@pytest.mark.timeout(DEMO_TIMEOUT_S)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process_and_no_data(
    database_url: str, kafka: KafkaSettings, sent: signal.Signals
) -> None:
    """Aim: Ctrl-C is safe. Method: interrupt it while writers save, look for what is left."""
    with running(database_url, kafka, "--kills", "1") as process:
        told = lines_until(process.stderr, "Saving")
        process.send_signal(sent)
        rest = process.communicate(timeout=DEMO_TIMEOUT_S)[1]
    named = [line for line in told if "✓ Replicator" in line or "✓ Projection" in line]
    pids = [int(line.split("pid ")[1].split(",")[0]) for line in named]

    assert process.returncode == 130, (told, rest)
    assert "Traceback" not in rest
    assert leftovers(database_url) == []
    assert len(pids) == len(("replicator", "projection"))
    assert not any(alive(pid) for pid in pids)


async def test_a_replicator_that_ends_by_itself_is_told_with_its_last_words(
    database_url: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Aim: a failed start says why. Method: a line name that no replicator accepts."""
    place = Place(
        database_url=database_url,
        kafka=kafka,
        topic="order_events",
        line="No Line",
        log=tmp_path / "log",
    )
    replicator = ReplicatorProcess(place)
    async with asyncio.timeout(DEMO_TIMEOUT_S):
        await replicator.start()

        with pytest.raises(StackError, match=r"ended by itself with exit code 2(?s:.*)No Line"):
            await died(replicator)


async def died(replicator: ReplicatorProcess) -> None:
    """Ask until the replicator's end is raised."""
    assert replicator._process is not None
    await replicator._process.wait()
    replicator.check()
