"""What the fuzzers share: what a run has seen, one case tried and timed, and the command line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

CASE_MS_MAX = 100.0
REPETITIONS = 3

Errors: TypeAlias = tuple[type[Exception], ...]


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


def one(findings: Findings, run: Callable[[], object], shown: bytes, expected: Errors) -> None:
    """Try one case and note what came of it; `shown` are its bytes, for the report."""
    milliseconds = attempt(findings, run, shown, expected)
    findings.executions += 1
    if milliseconds > CASE_MS_MAX:
        # The machine has other work too: only what is slow again and again counts.
        again = [attempt(Findings(), run, shown, expected) for _ in range(REPETITIONS)]
        milliseconds = min(again)
        if milliseconds > CASE_MS_MAX:
            findings.slow.append(shown.hex())
    findings.worst_ms = max(findings.worst_ms, milliseconds)


def attempt(findings: Findings, run: Callable[[], object], shown: bytes, expected: Errors) -> float:
    """The milliseconds of CPU that the case took."""
    started = time.thread_time()
    try:
        run()
        findings.accepted += 1
    except expected as error:
        findings.errors[type(error).__name__] += 1
    except Exception as error:  # noqa: BLE001 - foreign errors are what is looked for
        findings.foreign.append(f"{type(error).__name__} {shown.hex()}")
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


def run_fuzzer(fuzz: Callable[[float, int], Findings], description: str | None) -> int:
    """Fuzz as the command line says; the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    findings = fuzz(chosen.seconds, chosen.seed)
    sys.stdout.write(report(findings, chosen.seed) + "\n")
    return 0 if findings.is_clean else 1
