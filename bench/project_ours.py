"""Our side of bench/project.py: the same JSON object as the hand loop's.

`--profile FILE` writes a profile of the thread that reads, and FILE.lane one of the lane's.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import psycopg

from mainstem.assembly import registry_for
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.batch import Arrival
from mainstem.projection.decoding import Decoding
from mainstem.projection.definition import define
from mainstem.projection.lane import Lane
from mainstem.projection.points import Point
from mainstem.projection.projector import Projector
from mainstem.projection.rebuilding import RebuildSettings, rebuild
from mainstem.projection.settings import ProjectorSettings

GARBAGE_THRESHOLD = 50_000
"""As `mainstem projection rebuild` has it."""


def main() -> None:
    """Run one projection over its topic."""
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--kafka", "--topic", "--mode"):
        parser.add_argument(name, required=True)
    parser.add_argument("--profile")
    chosen = parser.parse_args()
    os.environ["BENCH_TOPIC"] = chosen.topic
    os.environ["BENCH_NAME"] = f"bench_{chosen.mode}_{time.time_ns()}"
    from project_models import Batched, Single

    definition = define(Single if chosen.mode == "single" else Batched)
    with psycopg.connect(chosen.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS revenue")
    work = rebuilt if chosen.mode == "rebuild" else projected
    if chosen.profile:
        profiled_lane(f"{chosen.profile}.lane")
        profile = cProfile.Profile()
        seconds = profile.runcall(work, definition, chosen)
        profile.dump_stats(chosen.profile)
    else:
        seconds = work(definition, chosen)
    with psycopg.connect(chosen.dsn) as connection:
        found = connection.execute("SELECT sum(orders)::bigint FROM revenue").fetchone()
    print(json.dumps({"events": found and found[0], "seconds": seconds}))


def projected(definition: Any, chosen: argparse.Namespace) -> float:
    """Seconds from the first messages to the last commit, as the hand loop's clock goes."""
    firsts: list[float] = []
    commits: list[float] = []
    arrivals = Decoding.arrivals

    def marked(decoding: Decoding, delivered: Iterable[Delivered]) -> list[Arrival]:
        if not firsts:
            firsts.append(time.perf_counter())
        return arrivals(decoding, delivered)

    Decoding.arrivals = marked  # type: ignore[method-assign,assignment]  # a measuring point
    told = partial(note, commits)
    settings = ProjectorSettings(database_url=chosen.dsn, kafka=KafkaSettings(chosen.kafka))
    registry = registry_for(chosen.dsn)
    Projector(definition, settings, registry, probe=told).run(once=True)
    registry.close()
    return commits[-1] - firsts[0]


def note(commits: list[float], point: Point) -> None:
    """Note when a transaction with events was committed; markers alone come after them."""
    if point is Point.HANDLED:
        commits.append(0.0)
    if point is Point.COMMITTED:
        commits[-1] = time.perf_counter()


def rebuilt(definition: Any, chosen: argparse.Namespace) -> float:
    """Seconds of a rebuild, from the command to the end of the exchange."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    registry = registry_for(chosen.dsn)
    settings = RebuildSettings(chosen.dsn, KafkaSettings(chosen.kafka), registry)
    began_s = time.perf_counter()
    report = rebuild(definition, settings)
    registry.close()
    assert report.swapped
    return time.perf_counter() - began_s


def profiled_lane(path: str) -> None:
    """Let lanes be profiled, too."""
    run: Callable[[Lane], None] = Lane._run

    def profiled(lane: Lane) -> None:
        profile = cProfile.Profile()
        profile.runcall(run, lane)
        profile.dump_stats(path)

    Lane._run = profiled  # type: ignore[method-assign,assignment]  # a measuring point


if __name__ == "__main__":
    main()
