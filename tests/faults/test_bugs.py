"""Planted bugs: the checks that pass on the real replicator fail on each of these."""

from __future__ import annotations

import signal

import pytest

from tests.faults.field import Field

STRIKES = {
    "acknowledge-first": ("progress", "1", "lost"),
    "forget-partial": ("committed", "2", "doubled"),
    "progress-outside": ("progress", "2", "lost"),
    "skip-resent": ("committed", "1", "doubled"),
    "drop-every-tenth": ("acknowledged", "1", "lost"),
}
"""The step at which a kill makes each bug show, and what it does."""


@pytest.mark.faults
@pytest.mark.parametrize("bug", STRIKES)
def test_a_planted_bug_is_caught(field: Field, bug: str) -> None:
    """The same kill, with the guard taken out: now the comparison finds what is wrong."""
    field.drain()
    field.write([3, 200, 40])
    point, occurrence, harm = STRIKES[bug]
    victim = field.start("--bug", bug, "--point", point, "--occurrence", occurrence)
    code = victim.ended()
    after = field.start("--bug", bug, "--once")
    code_after = after.ended()
    verdict = field.verdict()

    assert code == -signal.SIGKILL
    assert code_after == 0
    assert not verdict.holds
    assert getattr(verdict, harm)
