"""The demo's course: save under fire, drain, verify, read back, prove.

One task per duty: eight writers save, two deal the kills, one tells the screen how far things are.
Decisions (when to kill, what was lost) are in `kills`, `proof` and `revenue`; here they are joined.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from mainstem.assembly import registry_for
from mainstem.demo.events import EVENT_TYPES
from mainstem.demo.kills import Killer, kill_points, projection_kill_points
from mainstem.demo.narration import (
    Progress,
    Screen,
    done_line,
    kill_line,
    marked,
    projection_kill_line,
)
from mainstem.demo.orders import OrderLine
from mainstem.demo.projecting import ProjectionWatch, ProjectorProcess, Tables
from mainstem.demo.projection_kills import ProjectionKiller
from mainstem.demo.proof import Kill, ProjectionKill, Proof, bitten, compare, compare_tables
from mainstem.demo.replication import ReplicatorProcess
from mainstem.demo.revenue import Cell, CountryRevenue, Sum, revenue_by_country
from mainstem.demo.settings import DemoSettings, Place
from mainstem.demo.tally import Tally
from mainstem.demo.watch import TopicWatch, written_offsets
from mainstem.demo.writers import save_all, schedule
from mainstem.errors import MainstemError
from mainstem.event import StoredEvent
from mainstem.kafka.consumer import end_offsets
from mainstem.kafka.store import AsyncKafkaEventStore
from mainstem.verification import Report, VerifySettings, verify

TICK_S = 0.1

K = TypeVar("K", Kill, ProjectionKill)


class Outcome(NamedTuple):
    """What a demo leaves to be printed."""

    proof: Proof
    report: Report
    revenue: list[CountryRevenue]
    monthly: dict[Cell, Sum]
    """The projection's table."""


class Victims(NamedTuple):
    """The processes that are killed."""

    replicator: ReplicatorProcess
    projector: ProjectorProcess


class Carried(NamedTuple):
    """What the part under fire leaves to be judged."""

    tally: Tally
    kills: list[Kill]
    projection_kills: list[ProjectionKill]
    saving_s: float


async def demonstrate(
    settings: DemoSettings,
    place: Place,
    invoices: Mapping[str, list[OrderLine]],
    screen: Screen,
    began_s: float,
) -> Outcome:
    """Run the whole demo at this place; no process of its runs any more when it returns or raises.

    `began_s` is when the command began, by the monotonic clock: the servers' start counts too.
    """
    starting_s = time.monotonic()
    victims = Victims(ReplicatorProcess(place), ProjectorProcess(place))
    replicator, projector = victims
    try:
        with marked("Replicator", screen):
            # Both at once: starting Python takes most of the time.
            await projector.start()
            await replicator.start()
            await replicator.ready(settings.start_timeout_s)
        named = f"pid {replicator.pid}, line {place.line}, topic {place.topic}"
        screen.say(done_line("Replicator", named, time.monotonic() - starting_s))
        with marked("Projection", screen):
            await projector.ready(settings.start_timeout_s)
        named = f"pid {projector.pid}, revenue by country and month"
        screen.say(done_line("Projection", named, time.monotonic() - starting_s))
        carried = await carry(settings, place, invoices, victims, screen)
    finally:
        screen.finish()
        await asyncio.gather(replicator.stop(), projector.stop())
    return await judge(settings, place, carried, screen, began_s)


async def carry(
    settings: DemoSettings,
    place: Place,
    invoices: Mapping[str, list[OrderLine]],
    victims: Victims,
    screen: Screen,
) -> Carried:
    """Save every invoice while both are killed; wait until all is in Kafka, and in the table."""
    total = sum(map(len, invoices.values()))
    rate = settings.rate(total)
    screen.say(opening(settings, total, rate))
    tally = Tally()
    with TopicWatch(place, settings.partitions) as watch, ProjectionWatch(place) as applied:
        killer = Killer(settings, victims.replicator, watch, tally)
        projection_killer = ProjectionKiller(settings, victims.projector, applied, tally)
        telling = asyncio.create_task(tell_on(total, tally, watch, screen))
        try:
            async with asyncio.TaskGroup() as group:
                work = schedule(invoices.values(), rate)
                group.create_task(save_all(place, work, tally, settings.writers))
                killing = group.create_task(
                    deal_kills(killer.kill_at, kill_points(settings, total), kill_line, screen)
                )
                points = projection_kill_points(settings, total)
                projection_killing = group.create_task(
                    deal_kills(projection_killer.kill_at, points, projection_kill_line, screen)
                )
            await killer.drained(settings.drain_timeout_s)
            saving_s = time.monotonic() - tally.started_s
            await projection_killer.drained(settings.drain_timeout_s)
        except* MainstemError as errors:
            raise first(errors) from errors
        finally:
            telling.cancel()
            tell(total, tally, watch, screen)
        return Carried(tally, killing.result(), projection_killing.result(), saving_s)


def opening(settings: DemoSettings, total: int, rate: float | None) -> str:
    """What is about to be done, with the numbers that make a run repeatable."""
    saving = (
        f"Saving {total:,} real order lines: {settings.writers} writers,"
        " one transaction per invoice."
    )
    if not rate:
        return saving
    times = "once" if settings.kills == 1 else f"{settings.kills} times"
    return (
        f"{saving} Killing the replicator {times} meanwhile,\n"
        f"and the projection as often (seed {settings.seed}), so the writers keep to"
        f" {rate:,.0f}/s: each kill shall hit a process at work."
    )


async def deal_kills(
    kill_at: Callable[[int], Awaitable[K]],
    points: list[int],
    line: Callable[[K], str],
    screen: Screen,
) -> list[K]:
    """Deal the kills one after another, each told as soon as a successor is at work."""
    kills = []
    for point in points:
        kills.append(await kill_at(point))
        screen.say(line(kills[-1]))
    return kills


async def tell_on(total: int, tally: Tally, watch: TopicWatch, screen: Screen) -> None:
    """Tell the screen how far things are, until cancelled."""
    while True:
        tell(total, tally, watch, screen)
        await asyncio.sleep(TICK_S)


def tell(total: int, tally: Tally, watch: TopicWatch, screen: Screen) -> None:
    """Tell the screen how far things are now."""
    saved, in_kafka = tally.saved, watch.count
    elapsed_s = max(TICK_S, time.monotonic() - tally.started_s)
    behind_s = tally.behind_s(in_kafka)
    screen.progress(Progress(total, saved, in_kafka, saved / elapsed_s, behind_s))


def first(errors: BaseExceptionGroup[MainstemError]) -> MainstemError:
    """The first of the errors that tasks ended with; the others follow from it."""
    error = errors.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error


async def judge(
    settings: DemoSettings, place: Place, carried: Carried, screen: Screen, began_s: float
) -> Outcome:
    """Verify, read all back, and draw the proof; replicator and projection have ended by now."""
    report = await verified(place, screen)
    tables = await added_up_in_sql(place, screen)
    reading_s = time.monotonic()
    ends = await asyncio.to_thread(end_offsets, place.kafka, place.topic)
    read = await read_back(place, ends)
    written = await asyncio.to_thread(written_offsets, place, ends)
    seconds = time.monotonic() - reading_s
    screen.say(done_line("Read back", f"{len(read):,} events, decoded", seconds))
    aborted = bitten(carried.kills, hidden(written, read))
    proof = Proof(
        saved=carried.tally.saved,
        findings=compare(carried.tally.ledger, read),
        kills=len(carried.kills),
        bitten=sum(1 for count in aborted if count),
        aborted=sum(aborted),
        verified=report.holds,
        table=compare_tables(tables.projected, tables.expected),
        projection_kills=len(carried.projection_kills),
        projection_bitten=sum(kill.bit for kill in carried.projection_kills),
        seed=settings.seed,
        saving_s=carried.saving_s,
        seconds=time.monotonic() - began_s,
    )
    revenue = revenue_by_country(event.payload for event in read)
    return Outcome(proof, report, revenue, tables.projected)


async def added_up_in_sql(place: Place, screen: Screen) -> Tables:
    """The projection's table, and the same from the event table by SQL, told to the screen."""
    began_s = time.monotonic()
    with ProjectionWatch(place) as watch:
        tables = await asyncio.to_thread(watch.tables)
    added = f"the event table by SQL: {len(tables.expected)} countries and months"
    screen.say(done_line("Added up", added, time.monotonic() - began_s))
    return tables


async def verified(place: Place, screen: Screen) -> Report:
    """What `mainstem verify` finds, told to the screen."""
    options = VerifySettings(line=place.line)
    report = await asyncio.to_thread(verify, place.database_url, place.kafka, place.topic, options)
    compared = f"{report.rows:,} rows with {report.records:,} records"
    screen.say(done_line("Compared", compared, report.seconds))
    return report


async def read_back(place: Place, ends: Mapping[int, int]) -> list[StoredEvent[Any]]:
    """Every event of the topic, decoded, as any consumer would get it."""
    registry = registry_for(place.database_url)
    try:
        async with AsyncKafkaEventStore.open(
            place.kafka, registry=registry, types=EVENT_TYPES
        ) as store:
            return [
                event async for batch in store.subscribe(place.topic, until=ends) for event in batch
            ]
    finally:
        registry.close()


def hidden(written: Mapping[int, set[int]], read: list[StoredEvent[Any]]) -> dict[int, list[int]]:
    """Partition -> offsets of records that lie in the topic but reach no reader: aborted ones."""
    visible: dict[int, set[int]] = {partition: set() for partition in written}
    for event in read:
        if event.partition is not None and event.offset is not None:
            visible[event.partition].add(event.offset)
    return {partition: sorted(written[partition] - visible[partition]) for partition in written}
