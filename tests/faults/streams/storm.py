"""The storm: instances of one application killed at random and inside their commits; the verdict.

`python -m tests.faults.streams.storm --kills 60` goes through every kind of program, with one
instance and with two, with cold and with warm state. The last line is one JSON object; `verdict`
is also the exit code. It needs KAFKA_BOOTSTRAP.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from mainstem.kafka import KafkaSettings
from tests.faults.streams.field import Field, Verdict
from tests.faults.streams.member import Member

KINDS = ("count", "window", "join", "group")
CRASHES = ("", "before-offsets", "", "before-end")
"""In turn: a kill from outside at any moment, and one inside the commit."""
PACE_S = 0.1
AT_WORK_S = 1.2
"""A kill from outside comes within this time after its victim has begun to process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a storm is to be like."""

    kind: str
    instances: int
    warm: bool
    kills: int
    seed: int = 1


class Feeding:
    """Steps come all the time, by a thread."""

    def __init__(self, field: Field) -> None:
        """Feed this field."""
        self._field = field
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def _feed(self) -> None:
        while not self._enough.wait(PACE_S):
            self._field.feed(2)

    def __enter__(self) -> None:
        """Begin."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """End with a whole round."""
        self._enough.set()
        self._thread.join()


class Storm:
    """Kills and starts the instances of a field."""

    def __init__(self, field: Field, plan: Plan) -> None:
        """By a seed, so that it can be told again."""
        self._field, self._plan = field, plan
        self._random = random.Random(plan.seed)
        self.kills = 0

    def run(self) -> None:
        """Kill so many, starting each again at once."""
        running = {name: self._start(name, "") for name in self._names()}
        for member in running.values():
            member.heard("ready")
        while self.kills < self._plan.kills:
            name = self._random.choice(sorted(running))
            crash = CRASHES[self.kills % len(CRASHES)]
            running[name] = self._strike(running[name], crash)
            self.kills += 1

    def _strike(self, member: Member, crash: str) -> Member:
        """Kill an instance, inside a commit where it is said, and start it again."""
        name = member.orders.instance
        if crash and not member.orders.crash:
            # It is to kill itself, so it begins anew with these orders.
            member.stop()
            member = self._start(name, crash)
        if crash:
            member.ended()
        else:
            member.heard("ready")
            threading.Event().wait(self._random.uniform(0, AT_WORK_S))
            member.kill()
        return self._start(name, "")

    def _start(self, name: str, crash: str) -> Member:
        return self._field.start(
            name,
            cold=not self._plan.warm,
            static=self._plan.instances == 1,
            crash=crash,
            crash_at=self._random.randint(1, 4),
        )

    def _names(self) -> list[str]:
        return [f"i{number}" for number in range(self._plan.instances)]


def storm(plan: Plan, kafka: KafkaSettings, folder: Path) -> tuple[Verdict, int]:
    """The verdict once everything is processed, and how many kills there were."""
    with Field(kafka, plan.kind, folder) as field:
        field.feed(5)
        weather = Storm(field, plan)
        with Feeding(field):
            weather.run()
        field.wait_for(field.fed)
        return field.verdict(), weather.kills


def main() -> int:
    """Run all storms; 0 where the promise held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS)
    chosen = parser.parse_args()
    kafka = KafkaSettings(os.environ["KAFKA_BOOTSTRAP"])
    kinds = [chosen.kind] if chosen.kind else list(KINDS)
    combinations = list(product(kinds, (1, 2), (False, True)))
    each = max(1, -(-chosen.kills // len(combinations)))
    total: dict[str, Any] = dict.fromkeys(("kills", "results", "doubled", "missing", "wrong"), 0)
    began_s = time.monotonic()
    for kind, instances, warm in combinations:
        plan = Plan(kind=kind, instances=instances, warm=warm, kills=each, seed=chosen.seed)
        with tempfile.TemporaryDirectory() as folder:
            verdict, kills = storm(plan, kafka, Path(folder))
        print(plan, verdict, f"{time.monotonic() - began_s:.0f} s", flush=True)
        for name, value in (asdict(verdict) | {"kills": kills}).items():
            total[name] += value
    bad = total["doubled"] + total["missing"] + total["wrong"]
    total |= {"seconds": round(time.monotonic() - began_s), "verdict": "fail" if bad else "pass"}
    print(json.dumps(total))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
