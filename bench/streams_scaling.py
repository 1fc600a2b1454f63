"""How streams grow: results per second of one process, and of several that share the partitions.

Run with the project's interpreter; KAFKA_BOOTSTRAP is used where it is set. A count per key, four
partitions, commits every second; the rate is that between a fifth and four fifths of the results,
as a read_committed consumer sees them. The last line is one JSON object: processes -> results/s.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Event as Signal
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from replicate import servers
from streams import PARTITIONS, fed
from streams_models import Clock, program, registry

from mainstem.kafka import KafkaSettings
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.streams import KafkaStreamsStore, StreamSettings

EVENTS = 300_000
DEADLINE_S = 240.0


def work(kafka: str, out: str, source: str, number: int, done: Signal) -> None:
    """One process of the application, until it is told that all is done."""
    with tempfile.TemporaryDirectory() as folder:
        settings = StreamSettings(
            kafka=KafkaSettings(kafka), instance=f"i{number}", state_dir=Path(folder)
        )
        app = program("count", source, out, Clock(-1, -1))
        with KafkaStreamsStore(app, settings, registry=registry()):
            done.wait()


def rate(kafka: str, source: str, processes: int) -> float:
    """Results per second of so many processes."""
    out = f"{source}_{processes}"
    Topics(KafkaSettings(kafka)).create(out, EVENT_TOPIC, partitions=PARTITIONS)
    done = multiprocessing.Event()
    members = [
        multiprocessing.Process(target=work, args=(kafka, out, source, number, done))
        for number in range(processes)
    ]
    for member in members:
        member.start()
    try:
        return between(kafka, out, EVENTS // 5, EVENTS * 4 // 5)
    finally:
        done.set()
        for member in members:
            member.join(30)


def between(kafka: str, topic: str, first: int, last: int) -> float:
    """Results per second from the first to the last of these counts."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-scaling"})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    seen, first_seen, first_s = 0, 0, 0.0
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        seen += sum(message.error() is None for message in consumer.consume(5_000, 0.1))
        if not first_s and seen >= first:
            first_s, first_seen = time.monotonic(), seen
        elif seen >= last:
            consumer.close()
            return (seen - first_seen) / (time.monotonic() - first_s)
    raise SystemExit(f"{seen} results came in {DEADLINE_S:.0f} s")


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    asked = parser.parse_args().processes
    with servers() as (_, kafka):
        source = fed(kafka, EVENTS)
        figures = {str(count): round(rate(kafka, source, count)) for count in asked}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
