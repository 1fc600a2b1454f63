"""A short run of the fuzzer with each test run, so that it cannot rot."""

from __future__ import annotations

import json

from tests.fuzz.findings import report
from tests.fuzz.fuzz_wire import fuzz

SEED = 20261125
EXECUTIONS = 3000


def test_spoiled_frames_are_events_or_our_errors() -> None:
    """Unpack a few thousand of them; some must pass, so that depth is reached."""
    findings = fuzz(seconds=30, seed=SEED, executions_max=EXECUTIONS)

    assert findings.is_clean, report(findings, SEED)
    assert findings.executions == EXECUTIONS
    assert findings.accepted > 0
    assert findings.errors["DecodeError"] > 0
    assert json.loads(report(findings, SEED))["executions"] == EXECUTIONS
