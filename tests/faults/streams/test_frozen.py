"""An instance that is frozen for longer than its session, and wakes up with a transaction open."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mainstem.kafka import KafkaSettings
from tests.faults.streams.field import Field
from tests.faults.streams.storm import Feeding

OPEN_S = 40.0
"""So long that Kafka does not abort the transaction of the frozen one by itself."""


@pytest.mark.faults
@pytest.mark.slow
def test_what_was_open_when_partitions_were_lost_is_given_up(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Without state nobody waits for it: another does the same events meanwhile, and commits."""
    with Field(kafka, "map", tmp_path) as field:
        field.feed(4)
        frozen = field.start("a", transaction_s=OPEN_S)
        frozen.heard("ready")
        with Feeding(field):
            field.wait_for(field.fed)
            frozen.send(signal.SIGSTOP)
            other = field.start("b", transaction_s=OPEN_S)
            other.heard("ready")
        field.wait_until_done()
        frozen.send(signal.SIGCONT)
        field.feed(4)
        field.wait_for(field.fed)
        verdict = field.verdict()

    assert verdict.right, verdict
