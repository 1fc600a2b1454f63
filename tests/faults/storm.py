"""The storm: writers, and a replicator that is killed at random, then the ledger.

`python -m tests.faults.storm --seconds 60 --seed N`. The last line is one JSON object; `verdict` is
also the exit code. `--bug NAME` plants a bug, which the storm must find. Servers are those of
DATABASE_URL and KAFKA_BOOTSTRAP where they are set, else started here.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.stack.stack import Stack, StackSettings
from tests.faults.field import Field, Process
from tests.faults.ledger import Entry, entries_of
from tests.faults.writers import KEYS, Ledger, Writer

WRITERS = 6
PARTITIONS = 3
PAUSE_S = (1.0, 3.5)
AIMED_S = 6.0
"""By then a replicator that strikes itself has come to its step."""
STEPS = ["produced", "progress", "committed"]


def main() -> int:
    """Run one storm; 0 where the promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bug")
    chosen = parser.parse_args()
    with (
        servers() as (database_url, kafka),
        database(database_url) as own,
        Field(own, KafkaSettings(kafka)) as field,
    ):
        figures = storm(field, chosen.seconds, chosen.seed, chosen.bug)
    print(json.dumps(figures))
    return 0 if figures["verdict"] == "pass" else 1


def storm(field: Field, seconds: float, seed: int, bug: str | None) -> dict[str, int | str]:
    """Write and kill for so long, drain, and compare."""
    prepare(field)
    arguments = ["--bug", bug] if bug else []
    writers = [Writer(n, field.database_url, field.topic, seed) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    kills, bitten = strike(field, seconds, random.Random(seed), arguments)
    ledgers = [writer.finish() for writer in writers]
    last = field.start("--once", *arguments)
    if last.ended() != 0:
        print("\n".join(last.lines), file=sys.stderr)
    return judged(field, ledgers, kills, bitten)


def prepare(field: Field) -> None:
    """The counters of versions, and a topic with several partitions."""
    field.sql(lambda c: c.execute("CREATE TABLE versions (key int PRIMARY KEY, version bigint)"))
    field.sql(
        lambda c: c.execute(
            "INSERT INTO versions SELECT n, 0 FROM generate_series(0, %s) n", (KEYS - 1,)
        )
    )
    Topics(field.kafka).create(field.topic, EVENT_TOPIC, partitions=PARTITIONS)


def strike(
    field: Field, seconds: float, dice: random.Random, arguments: list[str]
) -> tuple[int, int]:
    """Kill the replicator at random; how often, and how often events were on their way.

    A quarter of them is killed by the clock, the rest strike themselves at a random occurrence of
    a step between producing and acknowledging. A kill has bitten where records were left
    uncommitted in Kafka, or where the next replicator was sent events that were there already.
    """
    kills = bitten = 0
    end_s = time.monotonic() + seconds
    aim = aimed(dice)
    process = field.start(*arguments, *aim)
    while time.monotonic() < end_s:
        ended_by_itself(process, AIMED_S if aim else dice.uniform(*PAUSE_S))
        process.kill()
        kills += 1
        left = left_open(field)
        aim = aimed(dice)
        before, process = process, field.start(*arguments, *aim)
        bitten += left or resent(process, before)
    process.kill()
    return kills, bitten


def aimed(dice: random.Random) -> list[str]:
    """Where a replicator strikes itself; nothing for one that is killed by the clock."""
    if dice.random() < 0.25:
        return []
    return ["--point", dice.choice(STEPS), "--occurrence", str(dice.randrange(1, 12))]


def resent(process: Process, before: Process) -> bool:
    """Whether the first figures of a replicator tell of events that came a second time."""
    if not any(line.startswith("bite: committed") for line in before.lines):
        return False
    with process.news:
        process.news.wait_for(lambda: any("resent=" in line for line in process.lines), 2)
    return any("resent=" in line and "resent=0," not in line for line in process.lines)


def ended_by_itself(process: Process, seconds: float) -> None:
    """Wait so long, or until the replicator struck itself, or refused to go on."""
    with process.news:
        process.news.wait_for(
            lambda: any(line.startswith(("refused:", "bite:")) for line in process.lines), seconds
        )


def left_open(field: Field) -> bool:
    """Whether the killed replicator left records behind that are not committed."""
    topics = Topics(field.kafka)
    return topics.ends(field.topic, PARTITIONS) != topics.ends(
        field.topic, PARTITIONS, committed=True
    )


def judged(field: Field, ledgers: list[Ledger], kills: int, bitten: int) -> dict[str, int | str]:
    """Compare what the writers were told with what a read_committed consumer sees."""
    entries = entries_of(field.kafka, field.topic)
    counts = Counter(entry.data.decode() for entry in entries)
    committed = {token for ledger in ledgers for token in ledger.committed}
    unknown = {token for ledger in ledgers for token in ledger.unknown}
    lost = len(committed - counts.keys())
    doubled = sum(count - 1 for count in counts.values())
    strange = len(counts.keys() - committed - unknown)
    reordered = disorder(entries)
    holds = not (lost or doubled or strange or reordered) and committed
    return {
        "kills": kills,
        "bitten": bitten,
        "events": len(entries),
        "lost": lost,
        "doubled": doubled,
        "rolled_back_but_seen": strange,
        "reordered": reordered,
        "verdict": "pass" if holds else "fail",
    }


def disorder(entries: list[Entry]) -> int:
    """Versions of a key that come after a later one, and positions that go back."""
    versions: dict[str, int] = defaultdict(int)
    positions = {entry.partition: (-1, -1) for entry in entries}
    count = 0
    for entry in entries:
        _, _, key, version = entry.data.decode().split(":")
        count += int(version) <= versions[key] or entry.position <= positions[entry.partition]
        versions[key] = max(versions[key], int(version))
        positions[entry.partition] = entry.position
    return count


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """Addresses of PostgreSQL and Kafka."""
    with tempfile.TemporaryDirectory() as directory:
        settings = StackSettings.of_environment(fsync=False)
        stack = Stack(Path(directory) / ".mainstem", settings=settings)
        stack.up()
        try:
            yield str(stack.state.database_url), str(stack.state.kafka_bootstrap)
        finally:
            stack.down(wipe=True)


@contextmanager
def database(database_url: str) -> Iterator[str]:
    """A database of the storm's own."""
    name = f"storm_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(database_url, dbname=name)
        connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = %s",
            (name,),
        )
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    sys.exit(main())
