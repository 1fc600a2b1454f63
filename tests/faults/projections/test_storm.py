"""A short storm with a fixed seed: the long one is `python -m tests.faults.projections.storm`."""

from __future__ import annotations

import pytest

from mainstem.kafka.settings import KafkaSettings
from tests.faults.projections.storm import Plan, storm

KILLS = 12


@pytest.mark.faults
def test_a_storm_leaves_the_fold_of_the_topic(mainstem_database: str, kafka: KafkaSettings) -> None:
    """Members killed, stopped, joining and leaving while transactions come, some aborted."""
    figures = storm(Plan(kills=KILLS, seed=4), mainstem_database, kafka, None)

    assert figures["verdict"] == "pass", figures
    assert int(figures["kills"]) >= KILLS
    assert int(figures["bitten"]) > 0
    assert int(figures["zombies"]) > 0
