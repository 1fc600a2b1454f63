"""A replicator that is struck down at a chosen step: `python -m tests.faults.victim …`.

It is the production replicator with a probe; the signal is one that no code can answer.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from mainstem.cli.main import report
from mainstem.errors import MainstemError
from mainstem.kafka.settings import KafkaSettings
from mainstem.replicator.points import Point, Probe, no_probe
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import Bounds, ReplicatorSettings
from mainstem.stopping import Stop
from tests.faults import bugs

BOUNDS = Bounds(batch_events_max=50, transaction_events_max=70, backfill_rows_max=40)
"""Small, so that a few hundred rows make many batches, cut transactions and chunks."""


class Narrator:
    """Prints what the replicator tells, for the test that reads it."""

    def note(self, text: str) -> None:
        """Print it."""
        print(f"note: {text}", flush=True)

    def status(self, status: object) -> None:
        """Print it."""
        print(f"status: {status}", flush=True)

    def backfill(self, topic: str, backfill: object) -> None:
        """Print it."""
        print(f"backfill: {topic} {backfill}", flush=True)


def striking(point: Point, occurrence: int, number: signal.Signals) -> Probe:
    """A probe that sends this process a signal at the n-th occurrence of a step."""
    seen = 0

    def probe(here: Point) -> None:
        nonlocal seen
        seen += here is point
        if here is point and seen == occurrence:
            if point in {Point.PRODUCED, Point.PROGRESS}:
                # What was produced gets the time to reach the broker: then the fault bites.
                threading.Event().wait(0.05)
            print(f"bite: {point.value}", flush=True)
            os.kill(os.getpid(), number)

    return probe


def main() -> int:
    """Run until struck down, drained or stopped; exit code as of `mainstem replicate`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--line", required=True)
    parser.add_argument("--point", choices=[point.value for point in Point])
    parser.add_argument("--occurrence", type=int, default=1)
    parser.add_argument("--signal", default="SIGKILL")
    parser.add_argument("--bug", choices=sorted(bugs.BUGS))
    parser.add_argument("--heartbeat-s", type=float, default=0.5)
    parser.add_argument("--takeover-s", type=float, default=2.0)
    parser.add_argument("--transaction-timeout-s", type=float, default=10.0)
    parser.add_argument("--once", action="store_true")
    chosen = parser.parse_args()
    if chosen.bug:
        bugs.plant(chosen.bug)
    probe: Probe = no_probe
    if chosen.point:
        number = signal.Signals[chosen.signal]
        probe = striking(Point(chosen.point), chosen.occurrence, number)
    settings = ReplicatorSettings(
        database_url=chosen.database_url,
        kafka=KafkaSettings(chosen.kafka),
        line=chosen.line,
        bounds=BOUNDS,
        heartbeat_s=chosen.heartbeat_s,
        takeover_s=chosen.takeover_s,
        transaction_timeout_s=chosen.transaction_timeout_s,
        status_s=0.5,
    )
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.interrupt)
    replicator = Replicator(settings, reporter=Narrator(), stop=stop, probe=probe)
    try:
        replicator.run(once=chosen.once)
    except MainstemError as error:
        print(f"refused: {error.name}", flush=True)
        return report(error)
    print(f"events: {replicator.events}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
