"""How fast the replicator is: drain against a bare hand loop in the same run, latency, start.

Run with the project's interpreter. Starts what it needs; DATABASE_URL and KAFKA_BOOTSTRAP are used
where they are set. The last line is one JSON object. `--quick` does a tenth of the work.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import latency
import psycopg
from confluent_kafka import Consumer, TopicPartition
from psycopg.conninfo import make_conninfo

from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, Topics
from mainstem.postgres.topics import create_topic

HERE = Path(__file__).parent
ROUNDS = 3
EVENTS = 200_000
RATE_PER_S, SECONDS = 1000, 20
IDLE_S = 10
PARTITIONS = 1
LOAD = """
DO $$ BEGIN
  FOR n IN 1..{transactions} LOOP
    INSERT INTO events."{topic}" (key, data, timestamp)
    SELECT md5((i % 5000)::text)::uuid, decode(repeat('ab', 200), 'hex'), now()
    FROM generate_series(1, {rows}) i;
    COMMIT;
  END LOOP;
END $$"""


class Bench:
    """A database with one topic, one line, and one slot for the hand loop."""

    def __init__(self, database_url: str, kafka: str) -> None:
        """Create everything; the line begins with an empty table."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.admin_url, self.name = database_url, name
        self.dsn, self.kafka = make_conninfo(database_url, dbname=name), kafka
        self.topic, self.line, self.slot = f"{name}_events", name, f"hand_{name}"
        topics = Topics(KafkaSettings(kafka))
        topics.create(self.topic, EVENT_TOPIC, partitions=PARTITIONS)
        topics.create(f"{self.topic}_hand", EVENT_TOPIC, partitions=PARTITIONS)
        topics.create("hand_progress", COMPACTED_TOPIC, partitions=1)
        with self.connection() as connection:
            create_topic(connection, self.topic)
        self.replicate()
        with self.connection() as connection:
            connection.execute(
                "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (self.slot,)
            )

    def connection(self) -> psycopg.Connection[Any]:
        """An autocommit connection to the database."""
        return psycopg.connect(self.dsn, autocommit=True)

    def load(self, events: int, rows: int) -> None:
        """Write a backlog in transactions of so many rows."""
        statement = LOAD.format(topic=self.topic, rows=rows, transactions=events // rows)
        with self.connection() as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute(statement)
            connection.execute("CHECKPOINT")

    def hand_loop(self, events: int) -> dict[str, float]:
        """Drain by the hand loop."""
        return run(
            "handloop.py",
            *("--dsn", self.dsn, "--kafka", self.kafka, "--slot", self.slot),
            *("--publication", "mainstem", "--topic", f"{self.topic}_hand"),
            *("--events", str(events)),
        )

    def replicate(self) -> dict[str, float]:
        """Drain by the replicator."""
        return run("drain.py", "--dsn", self.dsn, "--kafka", self.kafka, "--line", self.line)

    def service(self) -> subprocess.Popen[bytes]:
        """The replicator as its users run it."""
        command = [sys.executable, "-m", "mainstem", "replicate", "--line", self.line]
        addresses = ["--database-url", self.dsn, "--kafka-bootstrap", self.kafka]
        return subprocess.Popen([*command, *addresses], stderr=subprocess.DEVNULL)

    def watcher(self) -> Consumer:
        """A read_committed consumer at the end of the topic."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka,
                "group.id": "bench",
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            }
        )
        place = TopicPartition(self.topic, 0)
        place.offset = consumer.get_watermark_offsets(place, 10)[1]
        consumer.assign([place])
        return consumer

    def insert(self) -> None:
        """Commit one event."""
        with self.connection() as connection:
            connection.execute(LOAD.format(topic=self.topic, rows=1, transactions=1))

    def drop(self) -> None:
        """Remove the slots and the database."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = %s",
                (self.name,),
            )
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def run(script: str, *arguments: str) -> dict[str, float]:
    """Run one of our scripts; its last line is JSON."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{script} failed: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def drains(bench: Bench, events: int, rows: int) -> dict[str, float]:
    """Rounds of both, in turn; the ratio is the median of the rounds' ratios."""
    ours, ratios = [], []
    for number in range(ROUNDS):
        bench.load(events, rows)
        # The order changes, so that neither always meets the warmer caches.
        first_is_hand = number % 2 == 0
        hand = bench.hand_loop(events) if first_is_hand else None
        own = bench.replicate()
        hand = hand or bench.hand_loop(events)
        assert own["events"] == hand["events"] == events, (own, hand)
        rate, hand_rate = events / own["seconds"], events / hand["seconds"]
        ratios.append(rate / hand_rate)
        ours.append({**own, "rate": rate})
        print(
            f"{rows:>4} rows: replicator {rate:,.0f}/s, hand loop {hand_rate:,.0f}/s",
            file=sys.stderr,
        )
    middle = sorted(ours, key=lambda own: own["rate"])[len(ours) // 2]
    return {**middle, "ratio": statistics.median(ratios), "rss_mb": max(o["rss_mb"] for o in ours)}


def seconds_to_first_event(
    bench: Bench, *, kill: subprocess.Popen[bytes] | None
) -> tuple[float, subprocess.Popen[bytes]]:
    """Start of the process (or the kill before it) -> an event is visible."""
    watcher = bench.watcher()
    started_s = time.monotonic()
    if kill is not None:
        kill.send_signal(signal.SIGKILL)
        kill.wait()
    service = bench.service()
    bench.insert()
    while watcher.poll(0.1) is None:
        if time.monotonic() - started_s > 60:
            raise SystemExit("no event came within 60 s")
    elapsed_s = time.monotonic() - started_s
    watcher.close()
    return elapsed_s, service


def cpu_s(pid: int) -> float:
    """CPU seconds of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """PostgreSQL and Kafka: those of the environment, or started here."""
    from mainstem.stack.stack import Stack, StackSettings

    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(Path(directory) / ".mainstem", settings=StackSettings.of_environment())
        stack.up()
        try:
            yield str(stack.state.database_url), str(stack.state.kafka_bootstrap)
        finally:
            stack.down(wipe=True)


def main() -> None:
    """Measure everything; the figures are the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    part = 10 if parser.parse_args().quick else 1
    with servers() as (database_url, kafka):
        bench = Bench(database_url, kafka)
        try:
            print(json.dumps(figures(bench, part)))
        finally:
            bench.drop()


def figures(bench: Bench, part: int) -> dict[str, float]:
    """All figures, by the names that the issue gives them."""
    by_100 = drains(bench, EVENTS // part, 100)
    by_1 = drains(bench, EVENTS // part, 1)
    start_s, service = seconds_to_first_event(bench, kill=None)
    recovery_s, service = seconds_to_first_event(bench, kill=service)
    before_s = cpu_s(service.pid)
    time.sleep(IDLE_S)
    idle_cpu_pct = (cpu_s(service.pid) - before_s) / IDLE_S * 100
    seconds = max(5, SECONDS // part)
    load = latency.Load(bench.dsn, bench.kafka, bench.topic, PARTITIONS, RATE_PER_S, seconds)
    delays = latency.measure(load)
    service.send_signal(signal.SIGTERM)
    code = service.wait(10)
    assert code == 0, code
    assert not delays["missing"], delays
    return {
        "events_per_s_100": round(by_100["rate"]),
        "ratio_100": round(by_100["ratio"], 3),
        "events_per_s_1": round(by_1["rate"]),
        "ratio_1": round(by_1["ratio"], 3),
        "cpu_us_per_event": round(by_100["cpu_us_per_event"], 2),
        "rss_mb": round(max(by_100["rss_mb"], by_1["rss_mb"]), 1),
        "idle_cpu_pct": round(idle_cpu_pct, 2),
        "start_s": round(start_s, 2),
        "recovery_s": round(recovery_s, 2),
        "p50_ms": delays["p50_ms"],
        "p99_ms": delays["p99_ms"],
    }


if __name__ == "__main__":
    main()
