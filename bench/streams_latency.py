"""Sent by a producer -> the result in the hands of a read_committed consumer, through a map.

An open loop: event i is sent at its time whatever happened before. The engine runs in a thread of
this process's child; sender and consumer are here, with one clock.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid
from multiprocessing.synchronize import Event as Signal
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from streams_models import Clock, OrderPlaced, program, registry

from mainstem.kafka import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.streams import KafkaStreamsStore, StreamSettings
from mainstem.wire import Wire

COMMIT_S = 0.1
WARM_S = 2.0
READY_S = 60.0
PARTITIONS = 4


def measure(kafka: str, folder: Path, rate: int, seconds: int) -> dict[str, float]:
    """p50 and p99 in milliseconds, and how many results never came."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    source, out = f"{name}_orders", f"{name}_out"
    for topic in (source, out):
        Topics(KafkaSettings(kafka)).create(topic, EVENT_TOPIC, partitions=PARTITIONS)
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    engine = multiprocessing.Process(target=stream, args=(kafka, folder, source, out, ready, done))
    engine.start()
    try:
        if not ready.wait(READY_S):
            raise SystemExit("the engine was not ready in time")
        return sent_and_seen(kafka, source, out, rate, rate * seconds)
    finally:
        done.set()
        engine.join(READY_S)


def stream(  # noqa: PLR0913, PLR0917  # What a process is given.
    kafka: str, folder: Path, source: str, out: str, ready: Signal, done: Signal
) -> None:
    """The engine, until it is told that all is done."""
    settings = StreamSettings(
        kafka=KafkaSettings(kafka), state_dir=folder, commit_interval_s=COMMIT_S
    )
    app = program("map", source, out, Clock(-1, -1))
    with KafkaStreamsStore(app, settings, registry=registry()):
        ready.set()
        done.wait()


def sent_and_seen(kafka: str, source: str, out: str, rate: int, count: int) -> dict[str, float]:
    """Send at the rate, and look when each result comes."""
    sent, seen = [0] * count, [0] * count
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-latency"})
    consumer.assign([TopicPartition(out, number, 0) for number in range(PARTITIONS)])
    sender = threading.Thread(target=send, args=(kafka, source, rate, sent), daemon=True)
    sender.start()
    wire, got = Wire(registry(), [OrderPlaced]), 0
    deadline_s = time.monotonic() + count / rate + READY_S
    while got < count and time.monotonic() < deadline_s:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            # The map adds one.
            seen[wire.payload(message.value() or b"").cents - 1] = time.monotonic_ns()
            got += 1
    consumer.close()
    warm = int(rate * WARM_S)
    took = sorted((b - a) / 1e6 for a, b in zip(sent[warm:], seen[warm:], strict=True) if b)
    return {
        "p50_ms": round(took[len(took) // 2], 1),
        "p99_ms": round(took[int(len(took) * 0.99)], 1),
        "missing": count - got,
    }


def send(kafka: str, source: str, rate: int, sent: list[int]) -> None:
    """One event at each tick."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0})
    wire = Wire(registry())
    keys = [str(uuid.uuid4()).encode() for _ in range(1000)]
    begun_s = time.monotonic()
    for number in range(len(sent)):
        ahead_s = begun_s + number / rate - time.monotonic()
        if ahead_s > 0:
            time.sleep(ahead_s)
        frame = wire.frame_of(OrderPlaced("NO", number, "n" * 180))
        sent[number] = time.monotonic_ns()
        producer.produce(source, frame, keys[number % len(keys)])
        producer.poll(0)
    producer.flush(READY_S)
