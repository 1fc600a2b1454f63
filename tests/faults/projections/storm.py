"""The storm: writers, and members of one projection that are struck at random; then the fold.

`python -m tests.faults.projections.storm --kills 300 --seed N`. The last line is one JSON object;
`verdict` is also the exit code. `--bug NAME` plants a bug in every member, which the storm must
find. `--through postgres` writes into the event table, from where a replicator takes the events.
It starts servers of its own and kills them too; `--no-servers` spares them.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.stack.stack import Stack, StackSettings
from mainstem.testing.databases import furnish
from tests.faults.field import Field
from tests.faults.projections.arena import Arena, retire
from tests.faults.projections.bugs import BUGS
from tests.faults.projections.striking import Figures, Strikes
from tests.faults.projections.tally import differences
from tests.faults.projections.writers import KafkaWriter, PostgresWriter, Writer

PARTITIONS = 6
WRITERS = 2
PACE_S = 0.04
DRAIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a storm is to be like."""

    kills: int
    seed: int
    bug: str | None = None
    through: str = "kafka"
    pace_s: float = PACE_S


def main() -> int:
    """Run one storm; 0 where the promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug", choices=sorted(BUGS))
    parser.add_argument("--through", choices=["kafka", "postgres"], default="kafka")
    parser.add_argument("--no-servers", action="store_true")
    chosen = parser.parse_args()
    plan = Plan(kills=chosen.kills, seed=chosen.seed, bug=chosen.bug, through=chosen.through)
    with own_stack() as stack, database(str(stack.state.database_url)) as dsn:
        kafka = KafkaSettings(str(stack.state.kafka_bootstrap))
        figures = storm(plan, dsn, kafka, None if chosen.no_servers else stack)
    print(json.dumps(figures))
    return 0 if figures["verdict"] == "pass" else 1


def storm(
    plan: Plan, dsn: str, kafka: KafkaSettings, stack: Stack | None
) -> dict[str, int | float | str]:
    """Write and strike until there were so many kills, drain, and compare."""
    began_s = time.monotonic()
    topic = f"s{uuid.uuid4().hex[:10]}_events"
    create = plan.through == "kafka"
    with Arena(dsn, kafka, topic, partitions=PARTITIONS, create=create) as arena:
        strikes = Strikes(arena, random.Random(plan.seed), stack, bug=plan.bug)
        with writing(plan, arena):
            figures = strikes.run(plan.kills)
        retire([member for member in arena.members if not member.over])
        strikes.count()
        drained = arena.drain(DRAIN_S, bug=plan.bug, batch_events_max=500)
        return judged(arena, figures, drained=drained, seconds=time.monotonic() - began_s)


def judged(
    arena: Arena, figures: Figures, *, drained: bool, seconds: float
) -> dict[str, int | float | str]:
    """Compare the table with the fold of the topic, to the last row and offset."""
    fold = arena.fold()
    wrong = differences(arena.dsn, fold)
    events = sum(fold.events.values())
    holds = drained and not wrong and not figures.refused and events
    return {
        "kills": figures.kills,
        "zombies": figures.zombies,
        "server_kills": figures.server_kills,
        "rebalances": figures.rebalances,
        "events": events,
        "cas_failures": figures.cas_failures,
        "bitten": figures.bitten,
        "differences": wrong,
        "fenced": figures.fenced,
        "refused": figures.refused,
        "drained": int(drained),
        "seconds": round(seconds, 1),
        "verdict": "pass" if holds else "fail",
    }


@contextmanager
def writing(plan: Plan, arena: Arena) -> Iterator[None]:
    """Events come for the block; afterwards all of them are in Kafka."""
    with replicated(arena) if plan.through == "postgres" else nullcontext():
        writers = [writer(plan, arena, number) for number in range(WRITERS)]
        for each in writers:
            each.start()
        try:
            yield
        finally:
            for each in writers:
                each.finish()


def writer(plan: Plan, arena: Arena, number: int) -> Writer:
    """One that writes as the plan says."""
    if plan.through == "postgres":
        to_table = (arena.dsn, arena.topic)
        return PostgresWriter(number, arena.wire, plan.pace_s, plan.seed, to=to_table)
    to_topic = (arena.kafka, arena.topic)
    return KafkaWriter(number, arena.wire, plan.pace_s, plan.seed, to=to_topic)


@contextmanager
def replicated(arena: Arena) -> Iterator[None]:
    """A replicator runs for the block; in the end it has brought everything to Kafka."""
    Topics(arena.kafka).create(arena.topic, EVENT_TOPIC, partitions=PARTITIONS)
    with Field(arena.dsn, arena.kafka, topic=arena.topic) as field:
        service = field.start()
        service.wait_for("status:")
        yield
        service.kill()
        field.drain()


@contextmanager
def own_stack() -> Iterator[Stack]:
    """Servers that may be killed."""
    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(Path(directory) / ".mainstem", settings=StackSettings(fsync=False))
        try:
            stack.up()
            yield stack
        finally:
            stack.down(wipe=True)


@contextmanager
def database(database_url: str) -> Iterator[str]:
    """A database of the storm's own, with our tables; it goes with its server."""
    name = f"storm_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    dsn = make_conninfo(database_url, dbname=name)
    furnish(dsn, {})
    yield dsn


if __name__ == "__main__":
    sys.exit(main())
