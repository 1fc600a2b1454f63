"""The replicator's side of the drain: the same JSON object as the hand loop's, of one line."""

from __future__ import annotations

import argparse
import json
import resource
import time

from mainstem.kafka.producer import Produce
from mainstem.kafka.settings import KafkaSettings
from mainstem.replicator.carrier import Carrier
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import ReplicatorSettings


def main() -> None:
    """Run until everything that is committed now is in Kafka."""
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--kafka", "--line"):
        parser.add_argument(name, required=True)
    chosen = parser.parse_args()
    begins: list[tuple[float, float]] = []
    commits: list[tuple[float, float]] = []
    begin, commit = Carrier._begin, Carrier._commit

    def marked(carrier: Carrier) -> Produce:
        begins.append((time.perf_counter(), time.process_time()))
        return begin(carrier)

    def noted(carrier: Carrier) -> None:
        holds_events = not carrier._line.batch_is_empty
        commit(carrier)
        if holds_events:
            commits.append((time.perf_counter(), time.process_time()))

    # From the first event to the last commit with events, as the hand loop's clock goes.
    Carrier._begin = marked  # type: ignore[method-assign,assignment]  # a measuring point
    Carrier._commit = noted  # type: ignore[method-assign,assignment]  # as above
    settings = ReplicatorSettings(
        database_url=chosen.dsn, kafka=KafkaSettings(chosen.kafka), line=chosen.line
    )
    replicator = Replicator(settings)
    replicator.run(once=True)
    (started_s, cpu_s), (ended_s, cpu_end_s) = (
        (begins[0], commits[-1]) if commits else ((0.0, 0.0), (0.0, 0.0))
    )
    events = max(1, replicator.events)
    print(
        json.dumps(
            {
                "events": replicator.events,
                "seconds": ended_s - started_s,
                "cpu_us_per_event": (cpu_end_s - cpu_s) / events * 1e6,
                "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
