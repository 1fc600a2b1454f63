"""How fast the store is: each figure is a ratio against a bare hand-written loop in the same run.

Run with the project's interpreter. Starts PostgreSQL, or uses that of DATABASE_URL. The last line
is one JSON object. Rounds of both sides alternate, and a ratio is the median of the rounds'
ratios. `--quick` does a fifth of the work.

Where a figure is a throughput or a rate, more is better and 1.0 is the bare loop's own. Where it is
a time (`lone_latency`, `within_*`), less is better. The bare loops send bytes that were encoded
before; the store encodes, but for the figures that are called raw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import loops
from workload import BATCH, Workload, postgresql, unseen_by_the_collector

from mainstem import Event
from mainstem.postgres import AsyncPostgresEventStore

ROUNDS = 5
GROUPS = {1: 2_000, 16: 10_000, 64: 20_000, 1000: 30_000}
"""Callers at once, and events of a round."""
MANY_BATCHES = 40
WITHIN_SAVES = 1_000
READ_EVENTS = 100_000
VERSIONED_SAVES = 10_000

Side = Callable[[], Awaitable[float]]
"""One round of one side: its seconds."""


async def ratio(name: str, ours: Side, bare: Side, *, time_counts: bool = False) -> float:
    """Median over the rounds of our rate over theirs; of our time over theirs where that counts."""
    ratios = []
    for number in range(ROUNDS):
        # The order changes, so that neither always meets the warmer caches.
        first, second = (ours, bare) if number % 2 else (bare, ours)
        one, other = await first(), await second()
        own_s, bare_s = (one, other) if number % 2 else (other, one)
        ratios.append(own_s / bare_s if time_counts else bare_s / own_s)
    middle = statistics.median(ratios)
    print(f"{name:>18}: {middle:.2f}  ({min(ratios):.2f}-{max(ratios):.2f})", file=sys.stderr)
    return round(middle, 3)


async def timed(work: Awaitable[Any]) -> float:
    """The seconds that it takes."""
    started_s = time.perf_counter()
    await work
    return time.perf_counter() - started_s


async def grouped(
    store: AsyncPostgresEventStore, work: Workload, callers: int, count: int
) -> float:
    """The seconds of so many callers, each saving one event after the other."""
    events = iter(work.events(count))

    async def caller() -> None:
        for event in events:
            await store.save(work.topic, event)

    with unseen_by_the_collector():
        return await timed(asyncio.gather(*(caller() for _ in range(callers))))


async def groups(store: AsyncPostgresEventStore, work: Workload, part: int) -> dict[str, float]:
    """Group-committed saves against one insert per transaction on min(callers, 64) connections."""
    figures = {}
    for callers, events in GROUPS.items():
        count = events // part
        async with loops.Inserts(work, min(callers, 64)) as inserts:
            figures[f"group_{callers}"] = await ratio(
                f"group_{callers}",
                partial(grouped, store, work, callers, count),
                partial(inserts.run, count),
            )
    return figures


async def lone_latency(store: AsyncPostgresEventStore, work: Workload, part: int) -> float:
    """p50 of a lone save over p50 of a bare insert, both in turn."""
    own_s, bare_s = [], []
    async with loops.Inserts(work, 1) as inserts:
        for event, row in zip(work.events(2_000 // part), work.rows(2_000 // part), strict=True):
            own_s.append(await timed(store.save(work.topic, event)))
            bare_s.append(await timed(inserts.insert(row)))
    own, bare = statistics.median(own_s), statistics.median(bare_s)
    print(f"{'lone':>18}: {own * 1e6:.0f} us, bare {bare * 1e6:.0f} us", file=sys.stderr)
    return round(own / bare, 3)


async def many(store: AsyncPostgresEventStore, work: Workload, part: int) -> dict[str, float]:
    """Batches of 1000 against a bare unnest insert."""
    batches = MANY_BATCHES // part
    events, rows = work.events(BATCH), work.rows(BATCH)

    async def repeated(save: Callable[[], Awaitable[Any]]) -> float:
        started_s = time.perf_counter()
        for _ in range(batches):
            await save()
        return time.perf_counter() - started_s

    async with loops.Inserts(work, 1) as inserts:

        async def bare() -> float:
            return await repeated(lambda: inserts.insert_many(rows))

        return {
            "many_raw": await ratio(
                "many_raw", lambda: repeated(lambda: store.save_rows(work.topic, rows)), bare
            ),
            "many_typed": await ratio(
                "many_typed", lambda: repeated(lambda: store.save_many(work.topic, events)), bare
            ),
        }


async def within(store: AsyncPostgresEventStore, work: Workload, part: int) -> dict[str, float]:
    """Saves in the caller's transaction against bare inserts through the same driver."""
    count = WITHIN_SAVES // part
    events, rows = work.events(count), work.rows(count)
    figures = {}
    for name, lent in loops.lent_connections(work.dsn).items():
        async with lent as (connection, insert):

            async def ours(connection: Any = connection) -> float:
                started_s = time.perf_counter()
                for event in events:
                    await store.save(work.topic, event, within=connection)
                return time.perf_counter() - started_s

            async def bare(insert: Any = insert) -> float:
                started_s = time.perf_counter()
                for row in rows:
                    await insert(work.table, row)
                return time.perf_counter() - started_s

            figures[f"within_{name}"] = await ratio(f"within_{name}", ours, bare, time_counts=True)
    return figures


async def reading(store: AsyncPostgresEventStore, work: Workload, part: int) -> dict[str, float]:
    """All rows of a topic against a bare keyset loop; and all events, decoded."""
    count = READ_EVENTS // part
    topic = work.another_topic()
    for _ in range(count // BATCH):
        await store.save_rows(topic, work.rows(BATCH))

    async def rows() -> None:
        assert sum([1 async for _ in store.read_rows(topic)]) == count

    async def events() -> None:
        assert sum([1 async for _ in store.read_all(topic)]) == count

    raw = await ratio(
        "read_raw", lambda: timed(rows()), lambda: timed(loops.keyset(work.dsn, topic, count))
    )
    seconds = statistics.median([await timed(events()) for _ in range(3)])
    return {"read_raw": raw, "read_typed_per_s": round(count / seconds)}


async def versioned(store: AsyncPostgresEventStore, work: Workload, part: int) -> dict[str, float]:
    """Saves that expect a version against plain ones: one caller, and 64 with a stream each."""
    topic = work.another_topic(versioned=True)
    heads: dict[UUID, int] = {}

    async def caller(key: UUID, count: int) -> None:
        for event in work.events(count):
            own = Event(key, event.payload)
            stored = await store.save(topic, own, expected_version=heads.get(key, 0))
            assert stored.version is not None
            heads[key] = stored.version

    async def ours(callers: int, count: int) -> float:
        each = (caller(key, count // callers) for key in work.keys(callers))
        return await timed(asyncio.gather(*each))

    figures = {}
    for name, callers, saves in (("versioned", 1, 2_000), ("versioned_64", 64, VERSIONED_SAVES)):
        count = saves // part // callers * callers
        figures[name] = await ratio(
            name,
            partial(ours, callers, count),
            partial(grouped, store, work, callers, count),
        )
    return figures


async def figures(dsn: str, part: int) -> dict[str, float]:
    """All figures, by the names that the issue gives them."""
    work = Workload(dsn)
    async with AsyncPostgresEventStore.open(dsn, types=[work.payload_type]) as store:
        await store.save(work.topic, work.events(1)[0])
        return {
            **await groups(store, work, part),
            "lone_latency": await lone_latency(store, work, part),
            **await many(store, work, part),
            **await within(store, work, part),
            **await reading(store, work, part),
            **await versioned(store, work, part),
        }


def main() -> None:
    """Measure everything; the figures are the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    part = 5 if parser.parse_args().quick else 1
    with postgresql() as dsn:
        print(json.dumps(asyncio.run(figures(dsn, part))))


if __name__ == "__main__":
    main()
