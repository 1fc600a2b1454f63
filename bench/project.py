"""How fast projections are: against a bare hand loop in the same run; rebuilds, latency, folds.

Run with the project's interpreter. Starts what it needs; DATABASE_URL and KAFKA_BOOTSTRAP are used
where they are set. The last line is one JSON object. Rounds of both sides alternate, and a ratio is
the median of the rounds' ratios. `--quick` does a tenth of the work.

`ratio_batch` and `ratio_single` are our events per second over the hand loop's, which decodes by
fastavro and writes the same table; more is better. `p50_ms` and `p99_ms` run from the commit of a
save, through replicator and projector, to the row in the projection's table.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from latency import Load
from psycopg.conninfo import make_conninfo
from replicate import run, servers

from mainstem import Event
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.postgres import PostgresEventStore, create_topic
from mainstem.postgres.drivers.psycopg import run as run_plan
from mainstem.postgres.drivers.psycopg import run_atomically
from mainstem.postgres.migration.migrating import applying, pending

HERE = Path(__file__).parent
ROUNDS = 5
EVENTS = {"batch": 300_000, "single": 50_000}
"""Of one round."""
REBUILD_EVENTS = 1_000_000
RATE_PER_S, SECONDS = 500, 20
STREAM_EVENTS = 10_000
FOLDS = 5
READY_S = 30.0
SAVE_MAX = 1_000


class Bench:
    """A database of the run's own, and names for its topics."""

    def __init__(self, database_url: str, kafka: str) -> None:
        """Create the database with what projections need."""
        self.name = f"bench_{uuid.uuid4().hex[:8]}"
        self.admin_url, self.kafka = database_url, kafka
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name}")
        self.dsn = make_conninfo(database_url, dbname=self.name)
        with self.connection() as connection:
            for migration in run_plan(connection, pending()):
                run_atomically(connection, applying(migration))

    def connection(self) -> psycopg.Connection[Any]:
        """An autocommit connection to the database."""
        return psycopg.connect(self.dsn, autocommit=True)

    def fed(self, what: str, events: int) -> str:
        """A topic with so many events, in Kafka alone."""
        from project_feed import feed

        topic = f"{self.name}_{what}_events"
        feed(self.dsn, self.kafka, topic, events)
        return topic

    def side(self, script: str, mode: str, topic: str, events: int) -> float:
        """Events per second of one side."""
        arguments = ["--dsn", self.dsn, "--kafka", self.kafka, "--topic", topic, "--mode", mode]
        if script == "project_hand.py":
            arguments += ["--events", str(events)]
        found = run(script, *arguments)
        assert found["events"] == events, (script, mode, found, events)
        return events / found["seconds"]

    @contextmanager
    def services(self, topic: str) -> Iterator[None]:
        """Replicator and projector, as their users run them."""
        environment = {
            **os.environ,
            "BENCH_TOPIC": topic,
            "BENCH_NAME": "seen",
            "MAINSTEM_DATABASE_URL": self.dsn,
            "MAINSTEM_KAFKA_BOOTSTRAP": self.kafka,
        }
        mainstem = [sys.executable, "-m", "mainstem"]
        commands = [["replicate", "--line", self.name], ["project", "project_models:Seen"]]
        processes = [
            subprocess.Popen(
                [*mainstem, *command], env=environment, cwd=HERE, stderr=subprocess.DEVNULL
            )
            for command in commands
        ]
        try:
            self._wait_until_at_work()
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            codes = [process.wait(15) for process in processes]
        assert codes == [0, 0], codes

    def _wait_until_at_work(self) -> None:
        """Return once the slot streams and the projection has its partitions."""
        deadline_s = time.monotonic() + READY_S
        query = """
            SELECT EXISTS (SELECT FROM pg_replication_slots
                           WHERE database = current_database() AND active)
               AND EXISTS (SELECT FROM _mainstem.projection_offsets WHERE "group" = 'seen.v1')"""
        with self.connection() as connection:
            while connection.execute(query).fetchone() != (True,):
                if time.monotonic() > deadline_s:
                    raise SystemExit("replicator and projector were not ready in time")
                time.sleep(0.1)

    def drop(self) -> None:
        """Remove the slot and the database."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = %s",
                (self.name,),
            )
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def ratio(bench: Bench, mode: str, topic: str, events: int) -> tuple[float, float]:
    """Median ratio of the rounds, and our median rate."""
    ratios, rates = [], []
    for number in range(ROUNDS):
        # The order changes, so that neither always meets the warmer caches.
        scripts = ["project_hand.py", "project_ours.py"]
        ordered = scripts if number % 2 else scripts[::-1]
        found = {script: bench.side(script, mode, topic, events) for script in ordered}
        hand, ours = (found[script] for script in scripts)
        ratios.append(ours / hand)
        rates.append(ours)
        told = f"{mode:>7}: projection {ours:,.0f}/s, hand loop {hand:,.0f}/s"
        print(f"{told}, ratio {ours / hand:.2f}", file=sys.stderr)
    return statistics.median(ratios), statistics.median(rates)


def delays(bench: Bench, part: int) -> dict[str, float]:
    """Commit of the save -> row in the projection."""
    import project_latency

    topic = f"{bench.name}_late_events"
    Topics(KafkaSettings(bench.kafka)).create(topic, EVENT_TOPIC, partitions=3)
    with bench.connection() as connection:
        create_topic(connection, topic)
    with bench.services(topic):
        seconds = max(6, SECONDS // part)
        load = Load(bench.dsn, bench.kafka, topic, 3, RATE_PER_S, seconds)
        found = project_latency.measure(load)
    assert not found["missing"], found
    return found


def live_fold_ms(bench: Bench) -> float:
    """Milliseconds to fold a stream of ten thousand events, read from its table."""
    os.environ["BENCH_TOPIC"] = topic = f"{bench.name}_live_events"
    from project_models import Accounts
    from workload import NOW, OrderPlaced

    Accounts.topics = (topic,)
    with bench.connection() as connection:
        create_topic(connection, topic)
    payload = OrderPlaced(country="Norway", total=Decimal("12.50"), quantity=3, note="n" * 180)
    key = uuid.uuid4()
    took = []
    with PostgresEventStore.open(bench.dsn, types=Accounts.event_types) as store:
        for _ in range(STREAM_EVENTS // SAVE_MAX):
            store.save_many(topic, [Event(key, payload, NOW)] * SAVE_MAX)
        accounts = Accounts()
        for _ in range(FOLDS):
            began_s = time.perf_counter()
            state = accounts.live(store, key).state
            took.append((time.perf_counter() - began_s) * 1000)
            assert state is not None
            assert state.orders == STREAM_EVENTS
    return statistics.median(took)


def figures(bench: Bench, part: int) -> dict[str, float]:
    """All figures, by the names that the issue gives them."""
    found: dict[str, float] = {}
    rates = {}
    for mode, whole in EVENTS.items():
        events = whole // part
        found[f"ratio_{mode}"], rates[mode] = ratio(bench, mode, bench.fed(mode, events), events)
    events = REBUILD_EVENTS // part
    rebuilt = bench.side("project_ours.py", "rebuild", bench.fed("rebuild", events), events)
    late = delays(bench, part)
    return {
        **{name: round(value, 3) for name, value in found.items()},
        "events_per_s_batch": round(rates["batch"]),
        "events_per_s_single": round(rates["single"]),
        "rebuild_events_per_s": round(rebuilt),
        "p50_ms": late["p50_ms"],
        "p99_ms": late["p99_ms"],
        "live_fold_ms": round(live_fold_ms(bench), 1),
    }


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


if __name__ == "__main__":
    main()
