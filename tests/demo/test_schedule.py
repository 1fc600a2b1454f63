"""Pace and kill points: spread over the run, repeatable, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.demo.kills import kill_points
from mainstem.demo.orders import by_invoice, shipped_orders
from mainstem.demo.settings import DemoSettings
from mainstem.demo.tally import Tally
from mainstem.demo.writers import schedule
from mainstem.errors import ConfigurationError
from tests.demo.test_proof import stored


def test_kills_are_spread_over_the_run() -> None:
    """Aim: no kill hits what another one left idle. Method: one in each third, for many seeds."""
    for seed in range(100):
        points = kill_points(DemoSettings(kills=3, seed=seed), 3_000)

        assert [point // 1_000 for point in points] == [0, 1, 2]


def test_the_same_seed_kills_at_the_same_moments() -> None:
    """Aim: a run can be repeated. Method: one seed twice, and another."""
    first, again, other = (kill_points(DemoSettings(seed=seed), 39_529) for seed in (7, 7, 8))

    assert first == again != other


def test_without_kills_nobody_waits() -> None:
    """Aim: pacing serves the kills only. Method: no rate, and everything due at once."""
    settings = DemoSettings(kills=0)
    invoices = by_invoice(shipped_orders().lines, 500).values()

    assert settings.rate(500) is None
    assert kill_points(settings, 500) == []
    assert {due.due_s for due in schedule(invoices, settings.rate(500))} == {0.0}


def test_the_pace_spreads_all_lines_evenly() -> None:
    """Aim: saving outlasts the kills. Method: due times follow the count of lines before."""
    invoices = by_invoice(shipped_orders().lines, 500)
    work = list(schedule(invoices.values(), DemoSettings(kills=1).rate(500)))

    assert sum(len(due.events) for due in work) == 500
    assert work[1].due_s == pytest.approx(4.0 * len(work[0].events) / 500)
    assert work[-1].due_s < 4.0


@pytest.mark.parametrize("wrong", [{"kills": -1}, {"kills": 21}, {"events": 0}])
def test_impossible_choices_are_refused(wrong: dict[str, Any]) -> None:
    """Aim: usage errors are named. Method: one value out of bounds at a time."""
    with pytest.raises(ConfigurationError, match="--"):
        DemoSettings(**wrong)


def test_a_tally_tells_how_far_kafka_is_behind() -> None:
    """Aim: lag in seconds. Method: nothing behind, then one event behind."""
    tally = Tally()
    tally.add([stored(1)])

    assert tally.saved == 1
    assert tally.behind_s(in_kafka=0) > 0
    assert tally.behind_s(in_kafka=1) == 0
