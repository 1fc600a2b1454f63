"""Where faults are tried: one database with one topic, and replicator processes on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg

from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.topics import create_topic
from tests.faults.ledger import Verdict, compared, entries_of, rows_of

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0


class Process:
    """A victim whose lines can be waited for."""

    def __init__(self, arguments: list[str]) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: list[str] = []
        self.news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Collect its lines as they come."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()

    def wait_for(self, text: str, deadline_s: float = DEADLINE_S) -> str:
        """The first line that holds the text."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self.news:
            assert self.news.wait_for(found, deadline_s), f"{text!r} not among {self.lines}"
        line = found()
        assert line is not None
        return line

    def wait_for_count(self, text: str, count: int, deadline_s: float = DEADLINE_S) -> None:
        """Wait until so many lines hold the text."""

        def enough() -> bool:
            return sum(text in line for line in self.lines) >= count

        with self.news:
            assert self.news.wait_for(enough, deadline_s), f"{count} x {text!r}: {self.lines}"

    def wait_for_more(self, text: str) -> None:
        """Wait for one more line with the text than there are now."""
        self.wait_for_count(text, sum(text in line for line in self.lines) + 1)

    def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Its exit code, once it ended and its lines are all here."""
        code = self._process.wait(deadline_s)
        self._reader.join(deadline_s)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> int:
        """SIGKILL, and its exit code."""
        self._process.kill()
        return self.ended()


@dataclass
class Field:
    """One database, one topic, one line."""

    database_url: str
    kafka: KafkaSettings
    topic: str = field(default_factory=lambda: f"f{uuid.uuid4().hex[:10]}_events")
    line: str = field(default_factory=lambda: f"l{uuid.uuid4().hex[:10]}")
    processes: list[Process] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Create the table."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            create_topic(connection, self.topic)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind."""
        for process in self.processes:
            process.send(signal.SIGKILL)
            process.ended()

    def write(self, sizes: list[int]) -> None:
        """Commit one transaction of each size."""
        with psycopg.connect(self.database_url) as connection:
            for size in sizes:
                insert(connection, self.topic, size)
                connection.commit()

    def start(self, *arguments: str) -> Process:
        """Start a victim on this line."""
        process = Process(
            [
                *("--database-url", self.database_url),
                *("--kafka", self.kafka.bootstrap),
                *("--line", self.line),
                *arguments,
            ]
        )
        self.processes.append(process)
        return process

    def drain(self) -> int:
        """Run a healthy replicator until everything is in Kafka; how many events it published."""
        process = self.start("--once")
        assert process.ended() == 0, process.lines
        return int(process.wait_for("events: ").removeprefix("events: "))

    def verdict(self) -> Verdict:
        """Compare table and topic."""
        rows = rows_of(self.database_url, self.topic)
        return compared(rows, entries_of(self.kafka, self.topic))

    def aborted(self) -> int:
        """Records that reached Kafka and were aborted."""
        raw = entries_of(self.kafka, self.topic, isolation="read_uncommitted")
        return len(raw) - len(entries_of(self.kafka, self.topic))

    def sql(self, run: Callable[[psycopg.Connection[Any]], object]) -> None:
        """Do something to the database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            run(connection)


def insert(connection: psycopg.Connection[Any], topic: str, size: int) -> None:
    """Insert rows of random bytes under few keys."""
    connection.execute(
        f'INSERT INTO events."{topic}" (key, data, timestamp)'
        " SELECT md5((n %% 20)::text)::uuid, decode(md5(random()::text), 'hex'), now()"
        " FROM generate_series(1, %s) n",
        (size,),
    )
