"""Commit returned to the writer -> row visible in the projection's table.

An open loop: save i starts at its time whatever happened before. Writer, replicator and projector
are processes of their own. The projection's transaction notifies a listener, whom PostgreSQL
wakes up right after its commit. All read the same monotonic clock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing import shared_memory
from multiprocessing.synchronize import Event as Signal

import psycopg
from latency import CONNECTIONS, Load, figures, numbers
from project_models import CHANNEL
from workload import OrderPlaced

from mainstem import Event
from mainstem.postgres.naming import table
from mainstem.registry.postgres import PostgresRegistry
from mainstem.wire import Wire

COUNT_KEYS = 5_000
LAST_S = 20.0


def measure(load: Load) -> dict[str, float]:
    """p50 and p99 in milliseconds, and how many rows never came."""
    count = load.rate * load.seconds
    memory = shared_memory.SharedMemory(create=True, size=16 * count)
    ready = multiprocessing.Event()
    listener = multiprocessing.Process(target=listen, args=(memory.name, ready, load, count))
    writer = multiprocessing.Process(target=write, args=(memory.name, load, count))
    try:
        listener.start()
        ready.wait(30)
        writer.start()
        writer.join()
        listener.join(LAST_S + 5)
        return figures(memory, load.rate, count)
    finally:
        listener.kill()
        memory.close()
        memory.unlink()


def listen(name: str, ready: Signal, load: Load, count: int) -> None:
    """Note when each row was told to be committed."""
    memory = shared_memory.SharedMemory(name)
    times = numbers(memory)
    with psycopg.connect(load.dsn, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        ready.set()
        got, end_s = 0, time.monotonic() + load.seconds + LAST_S
        while got < count and time.monotonic() < end_s:
            for told in connection.notifies(timeout=1.0, stop_after=1):
                seen_ns = time.monotonic_ns()
                for number in map(int, told.payload.split()):
                    times[2 * number + 1] = seen_ns
                    got += 1
    times.release()
    memory.close()


def write(name: str, load: Load, count: int) -> None:
    """Commit one event at each tick; note when the commit returned."""
    asyncio.run(commit_all(name, load, encoded(load.dsn, count)))


def encoded(dsn: str, count: int) -> list[bytes]:
    """Payloads whose quantity is their number; encoding is not measured."""
    registry = PostgresRegistry(dsn)
    wire = Wire(registry, [OrderPlaced])
    now = datetime.now(UTC)
    data = [
        wire.pack(
            Event(
                uuid.UUID(int=0),
                OrderPlaced(country="Norway", total=Decimal(1), quantity=n, note="n" * 180),
                now,
            )
        ).data
        for n in range(count)
    ]
    registry.close()
    return data


async def commit_all(name: str, load: Load, payloads: list[bytes]) -> None:
    """The writer's open loop over a few connections."""
    memory = shared_memory.SharedMemory(name)
    times = numbers(memory)
    free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await psycopg.AsyncConnection.connect(load.dsn, autocommit=True))
    statement = f"INSERT INTO {table(load.topic)} (key, data, timestamp) VALUES (%s, %s, %s)"

    async def commit(i: int) -> None:
        connection = await free.get()
        key = uuid.UUID(int=i % COUNT_KEYS)
        await connection.execute(
            statement.encode(), (key, payloads[i], datetime.now(UTC)), prepare=True
        )
        times[2 * i] = time.monotonic_ns()
        free.put_nowait(connection)

    start_s = time.monotonic()
    tasks = []
    for i in range(len(payloads)):
        ahead_s = start_s + i / load.rate - time.monotonic()
        if ahead_s > 0:
            await asyncio.sleep(ahead_s)
        tasks.append(asyncio.ensure_future(commit(i)))
    await asyncio.gather(*tasks)
    while not free.empty():
        await free.get_nowait().close()
    times.release()
    memory.close()
