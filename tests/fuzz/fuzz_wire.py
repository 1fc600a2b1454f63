"""Fuzzes wire.unpack: `python -m tests.fuzz.fuzz_wire --seconds 60 --seed 1`.

Any bytes must give an event or an error of ours, within 100 ms. A case that took longer is run
again before it counts, because the machine has other work too. The last line is one JSON object;
exit code 1 if anything was found. A crash of the process shows as a missing last line.
"""

from __future__ import annotations

import random
import sys
import time
from functools import partial

from mainstem.errors import DecodeError, SchemaNotFound
from tests.fuzz.findings import Findings, one, run_fuzzer
from tests.fuzz.frames import case, material

EXPECTED = (DecodeError, SchemaNotFound)


def fuzz(seconds: float, seed: int, executions_max: int = sys.maxsize) -> Findings:
    """Unpack spoiled frames until the time is over; the seed decides them."""
    rng = random.Random(seed)
    given, findings = material(rng), Findings()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and findings.executions < executions_max:
        wire, record, key_type = case(rng, given)
        one(findings, partial(wire.unpack, record, key_type), record.data, EXPECTED)
    return findings


if __name__ == "__main__":
    sys.exit(run_fuzzer(fuzz, __doc__))
