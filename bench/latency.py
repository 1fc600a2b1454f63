"""Commit returned to the writer -> event in the hands of a read_committed consumer.

An open loop: transaction i starts at its time whatever happened before. Writer, consumer and
replicator are processes of their own; all three read the same monotonic clock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import struct
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import shared_memory
from multiprocessing.synchronize import Event

import psycopg
from confluent_kafka import Consumer, TopicPartition

CONNECTIONS = 8
VALUE_BYTES = 200
WARM_S = 2.0
NUMBER = struct.Struct(">Q")


@dataclass(frozen=True)
class Load:
    """What is written, where, and how fast."""

    dsn: str
    kafka: str
    topic: str
    partitions: int
    rate: int
    seconds: int


def measure(load: Load) -> dict[str, float]:
    """p50 and p99 in milliseconds, and how many events never came."""
    count = load.rate * load.seconds
    memory = shared_memory.SharedMemory(create=True, size=16 * count)
    ready = multiprocessing.Event()
    reader = multiprocessing.Process(target=consume, args=(memory.name, ready, load, count))
    writer = multiprocessing.Process(target=write, args=(memory.name, load, count))
    try:
        reader.start()
        ready.wait(30)
        writer.start()
        writer.join()
        reader.join(30)
        return figures(memory, load.rate, count)
    finally:
        reader.kill()
        memory.close()
        memory.unlink()


def figures(memory: shared_memory.SharedMemory, rate: int, count: int) -> dict[str, float]:
    """The percentiles behind the warm-up."""
    times = numbers(memory)
    warm = int(rate * WARM_S)
    seen = sorted(
        (times[2 * i + 1] - times[2 * i]) / 1e6
        for i in range(warm, count)
        if times[2 * i] and times[2 * i + 1]
    )
    missing = sum(1 for i in range(count) if not times[2 * i + 1])
    times.release()
    return {
        "p50_ms": round(seen[len(seen) // 2], 2),
        "p99_ms": round(seen[int(len(seen) * 0.99)], 2),
        "missing": missing,
    }


def write(name: str, load: Load, count: int) -> None:
    """Commit one row at each tick; note when the commit returned."""
    asyncio.run(commit_all(name, load, count))


async def commit_all(name: str, load: Load, count: int) -> None:
    """The writer's open loop over a few connections."""
    memory = shared_memory.SharedMemory(name)
    times = numbers(memory)
    free: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await psycopg.AsyncConnection.connect(load.dsn, autocommit=True))
    statement = f'INSERT INTO events."{load.topic}" (key, data, timestamp) VALUES (%s, %s, %s)'

    async def commit(i: int) -> None:
        connection = await free.get()
        data = NUMBER.pack(i).ljust(VALUE_BYTES, b"\0")
        key = uuid.UUID(int=i % 5000)
        await connection.execute(statement, (key, data, datetime.now(UTC)), prepare=True)
        times[2 * i] = time.monotonic_ns()
        free.put_nowait(connection)

    start_s = time.monotonic()
    tasks = []
    for i in range(count):
        ahead_s = start_s + i / load.rate - time.monotonic()
        if ahead_s > 0:
            await asyncio.sleep(ahead_s)
        tasks.append(asyncio.ensure_future(commit(i)))
    await asyncio.gather(*tasks)
    while not free.empty():
        await free.get_nowait().close()
    times.release()
    memory.close()


def consume(name: str, ready: Event, load: Load, count: int) -> None:
    """Note when each event came."""
    memory = shared_memory.SharedMemory(name)
    times = numbers(memory)
    consumer = Consumer(
        {
            "bootstrap.servers": load.kafka,
            "group.id": "bench",
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )
    places = [TopicPartition(load.topic, number) for number in range(load.partitions)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, 10)[1]
    consumer.assign(places)
    consumer.poll(0.5)
    ready.set()
    got, end_s = 0, time.monotonic() + 600
    while got < count and time.monotonic() < end_s:
        first = consumer.poll(1.0)
        if first is None:
            continue
        for message in [first, *consumer.consume(499, 0)]:
            if message.error() is None:
                times[2 * NUMBER.unpack_from(message.value() or b"")[0] + 1] = time.monotonic_ns()
                got += 1
    consumer.close()
    times.release()
    memory.close()


def numbers(memory: shared_memory.SharedMemory) -> memoryview[int]:
    """The shared memory as 64-bit integers."""
    assert memory.buf is not None
    return memory.buf.cast("q")
