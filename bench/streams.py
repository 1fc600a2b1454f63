"""How fast streams are: against bare Quix Streams on the same bytes in the same run; latency.

Run with the project's interpreter. Starts what it needs; KAFKA_BOOTSTRAP is used where it is set.
The last line is one JSON object. Rounds of the sides alternate, and a ratio is the median of the
rounds' ratios. `--quick` does a tenth of the work.

`map_ratio`, `count_ratio` and `window_ratio` are our events per second over those of bare Quix
Streams, both under exactly-once with a commit every second, decoding and encoding Avro included:
bare Quix by fastavro on dicts, as one writes it by hand. `map_ratio_bytes` is against bare Quix
that passes the bytes through and looks at nothing. `p50_ms` and `p99_ms` run from the send of an
event, 500 a second, through a map that commits every 100 ms, to a read_committed consumer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import uuid
from pathlib import Path

from replicate import run, servers
from streams_latency import measure
from streams_models import OrderPlaced, registry

from mainstem import Event
from mainstem.kafka import KafkaEventStore, KafkaSettings

ROUNDS = 5
EVENTS = {"map": 120_000, "count": 100_000, "window": 50_000}
"""Of one round."""
WARM = 5_000
KEYS = 1_000
PARTITIONS = 4
RATE_PER_S, SECONDS = 500, 20
SIDES = {"map": ("bare", "ours", "through"), "count": ("bare", "ours"), "window": ("bare", "ours")}


def fed(kafka: str, events: int) -> str:
    """A topic with so many orders of a few keys."""
    topic = f"bench_{uuid.uuid4().hex[:8]}"
    keys = [uuid.uuid4() for _ in range(KEYS)]
    with KafkaEventStore.open(KafkaSettings(kafka), registry=registry()) as log:
        log.create_topic(topic, partitions=PARTITIONS)
        for begin in range(0, events, KEYS):
            log.save_many(
                topic,
                [Event(key, OrderPlaced("NO", begin + n, "n" * 180)) for n, key in enumerate(keys)],
            )
    return topic


def side(name: str, mode: str, kafka: str, source: str, events: int) -> float:
    """Events per second of one side."""
    arguments = {
        "side": name,
        "mode": mode,
        "kafka": kafka,
        "source": source,
        "out": f"{source}_{mode}_{name}_{uuid.uuid4().hex[:6]}",
        "warm": str(WARM),
        "events": str(events),
    }
    given = [word for option, value in arguments.items() for word in (f"--{option}", value)]
    return (events - WARM) / run("streams_side.py", *given)["seconds"]


def compared(kafka: str, mode: str, events: int, rounds: int) -> dict[str, float]:
    """Medians of one comparison."""
    source = fed(kafka, events)
    rates: dict[str, list[float]] = {name: [] for name in SIDES[mode]}
    for number in range(rounds):
        for name in SIDES[mode] if number % 2 else SIDES[mode][::-1]:
            rates[name].append(side(name, mode, kafka, source, events))
        print(mode, {name: round(found[-1]) for name, found in rates.items()}, flush=True)

    def ratio(other: str) -> float:
        pairs = zip(rates["ours"], rates[other], strict=True)
        return round(statistics.median(ours / theirs for ours, theirs in pairs), 3)

    figures = {
        f"{mode}_ratio": ratio("bare"),
        f"{mode}_per_s": round(statistics.median(rates["ours"])),
    }
    return figures | ({"map_ratio_bytes": ratio("through")} if mode == "map" else {})


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    with servers() as (_, kafka):
        for mode, events in EVENTS.items():
            count = max(events // 10, 2 * WARM) if quick else events
            figures |= compared(kafka, mode, count, 1 if quick else ROUNDS)
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure(kafka, Path(folder), RATE_PER_S, 5 if quick else SECONDS)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
