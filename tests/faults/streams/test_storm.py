"""Short storms with a fixed seed: the long one is `python -m tests.faults.streams.storm`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mainstem.kafka import KafkaSettings
from tests.faults.streams.storm import KINDS, Plan, storm

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(kind="count", instances=1, warm=False, kills=2, seed=3),
        Plan(kind="window", instances=2, warm=True, kills=2, seed=3),
        Plan(kind="join", instances=2, warm=False, kills=2, seed=3),
        Plan(kind="group", instances=1, warm=True, kills=2, seed=3),
    ],
    ids=lambda plan: plan.kind,
)
def test_each_result_is_there_once_and_right(
    plan: Plan, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Killed from outside at any moment, and inside the commit."""
    verdict, kills = storm(plan, kafka, tmp_path)

    assert kills == plan.kills
    assert verdict.results > 0
    assert verdict.right, verdict


@pytest.mark.nightly
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_sixty_four_kills_do_no_harm(
    kind: str, instances: int, kafka: KafkaSettings, tmp_path: Path, *, warm: bool
) -> None:
    """Four for each combination, sixty-four in all."""
    plan = Plan(kind=kind, instances=instances, warm=warm, kills=4, seed=5)
    verdict, _ = storm(plan, kafka, tmp_path)

    assert verdict.right, verdict
