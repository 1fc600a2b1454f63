"""`mainstem replicate --metrics-port`: health and metrics of a replicator, by a real process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.cli.metering import ReplicatorMeter
from mainstem.kafka import KafkaSettings
from mainstem.replicator.points import Point
from mainstem.replicator.reporting import Silent, Status
from tests.cli.running import service, until
from tests.projection.rebuilding.shop import Shop, opened

STOP_MAX_S = 5.0
STATUS = Status("main", 0, 0.0, 0, 0, 0.1, 0)


@pytest.fixture
def shop(fresh_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Shop]:
    """A database of the test's own."""
    with opened(fresh_database, kafka, topic) as shop:
        yield shop


@pytest.mark.stack
def test_a_replicator_is_ready_once_a_heartbeat_has_gone_round(shop: Shop) -> None:
    """An idle database: unready first, then ready, with metrics; it stops in time."""
    intervals = ("--heartbeat-s", "0.3", "--status-s", "0.3", "--takeover-s", "2")
    line = f"{shop.topic}_line"
    with service(shop, "replicate", "--line", line, "--metrics-port", "0", *intervals) as running:
        first = running.get("/health/ready")
        until(lambda: running.ready()["ready"])
        until(lambda: "mainstem_replicator_flushed_lsn" in running.get("/metrics")[1])
        page = running.get("/metrics")[1]
        code, seconds = running.stop()

    assert first[0] == 503
    assert "no heartbeat came back yet" in first[1]
    assert f'mainstem_ready{{part="line {line}"}} 1.0' in page
    assert f'mainstem_replicator_events_total{{line="{line}"}} 0.0' in page
    assert code == 0
    assert seconds < STOP_MAX_S


def test_a_replicator_that_stands_by_says_so() -> None:
    """What it told last explains why nothing went round."""
    meter = ReplicatorMeter(Silent(), 5.0, "main")
    meter.note("standing by: another replicator serves (session 7)")

    assert meter.vital.why_not() == (
        "no heartbeat came back yet: standing by: another replicator serves (session 7)"
    )


def test_a_replicator_whose_heartbeats_come_back_too_late_is_not_ready() -> None:
    """Batches flow, but the oldest heartbeat has been under way for 20 s; then it catches up."""
    meter = ReplicatorMeter(Silent(), 5.0, "main")
    meter.probe(Point.ACKNOWLEDGED)
    meter.status(Status("main", 0, 0.0, 0, 0, 20.0, 0))
    late = meter.vital.why_not()
    meter.status(STATUS)

    assert late == "20 s behind"
    assert not meter.vital.why_not()


def test_a_batch_that_was_not_acknowledged_proves_nothing() -> None:
    """Committed is not enough: PostgreSQL has not been told yet."""
    meter = ReplicatorMeter(Silent(), 5.0, "main")
    meter.probe(Point.COMMITTED)

    assert meter.vital.why_not()
