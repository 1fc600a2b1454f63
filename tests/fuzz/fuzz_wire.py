"""Fuzzes wire.unpack: `python -m tests.fuzz.fuzz_wire --seconds 60 --seed 1`.

Any bytes must give an event or an error of ours, within 100 ms. A case that took longer is run
again before it counts, because the machine has other work too. The last line is one JSON object;
exit code 1 if anything was found. A crash of the process shows as a missing last line.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from mainstem.errors import DecodeError, SchemaNotFound
from mainstem.record import Record
from mainstem.wire import Wire
from tests.fuzz.frames import case, material

CASE_MS_MAX = 100.0
REPETITIONS = 3
EXPECTED = (DecodeError, SchemaNotFound)


@dataclass(slots=True)
class Findings:
    """What a run has seen."""

    executions: int = 0
    accepted: int = 0
    worst_ms: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.foreign and not self.slow


def fuzz(seconds: float, seed: int, executions_max: int = sys.maxsize) -> Findings:
    """Unpack spoiled frames until the time is over; the seed decides them."""
    rng = random.Random(seed)
    given, findings = material(rng), Findings()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and findings.executions < executions_max:
        one(findings, *case(rng, given))
    return findings


def one(findings: Findings, wire: Wire, record: Record, key_type: type) -> None:
    """Unpack one record and note what came of it."""
    milliseconds = attempt(findings, wire, record, key_type)
    findings.executions += 1
    if milliseconds > CASE_MS_MAX:
        again = [attempt(Findings(), wire, record, key_type) for _ in range(REPETITIONS)]
        milliseconds = min(again)
        if milliseconds > CASE_MS_MAX:
            findings.slow.append(record.data.hex())
    findings.worst_ms = max(findings.worst_ms, milliseconds)


def attempt(findings: Findings, wire: Wire, record: Record, key_type: type) -> float:
    """The milliseconds of CPU that unpacking took."""
    started = time.thread_time()
    try:
        wire.unpack(record, key_type)
        findings.accepted += 1
    except EXPECTED as error:
        findings.errors[type(error).__name__] += 1
    except Exception as error:  # noqa: BLE001 - foreign errors are what is looked for
        findings.foreign.append(f"{type(error).__name__} {record.data.hex()}")
    return (time.thread_time() - started) * 1000


def report(findings: Findings, seed: int) -> str:
    """The last line."""
    return json.dumps({
        "executions": findings.executions,
        "accepted": findings.accepted,
        "errors": dict(findings.errors),
        "foreign": findings.foreign[:10],
        "slow": findings.slow[:10],
        "worst_ms": round(findings.worst_ms, 2),
        "seed": seed,
    })  # fmt: skip


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    findings = fuzz(chosen.seconds, chosen.seed)
    sys.stdout.write(report(findings, chosen.seed) + "\n")
    return 0 if findings.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
