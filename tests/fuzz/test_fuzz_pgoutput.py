"""A short run of the stream's fuzzer with each test run, so that it cannot rot."""

from __future__ import annotations

from tests.fuzz.findings import report
from tests.fuzz.fuzz_pgoutput import fuzz

SEED = 20261125
EXECUTIONS = 60_000


def test_spoiled_payloads_are_messages_or_our_errors() -> None:
    """Decode many of them; some must pass, so that depth is reached."""
    findings = fuzz(seconds=30, seed=SEED, executions_max=EXECUTIONS)

    assert findings.is_clean, report(findings, SEED)
    assert findings.executions == EXECUTIONS
    assert findings.accepted > EXECUTIONS / 20
    assert findings.errors["DecodeError"] > 0
    assert findings.errors["Refusal"] > 0
