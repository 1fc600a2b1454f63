"""Metrics: what a scrape sees."""

from __future__ import annotations

from dataclasses import replace

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mainstem.projection.reporting import ProjectorStatus
from mainstem.telemetry.health import Health, Vital
from mainstem.telemetry.meters import Meters
from mainstem.telemetry.names import PROJECTION
from mainstem.telemetry.prometheus import Exposition

STATUS = ProjectorStatus(
    group="totals.v1",
    events=100,
    events_per_s=20.5,
    lag_events=7,
    lag_s=1.5,
    cas_failures=1,
    retries=2,
    halted=1,
    dead_letters=3,
    assigned=6,
    rebalances=4,
    batches=5,
    batch_s=0.25,
)


@pytest.fixture
def meters() -> Meters:
    """Meters whose clock stands still."""
    return Meters(lambda: 1000.0)


def scraped(meters: Meters, *vitals: Vital) -> dict[tuple[str, str], float]:
    """What a scrape sees, by name and by what the label says."""
    body, _type = Exposition(meters, Health(vitals, lambda: False)).text()
    return {
        (sample.name, next(iter(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_every_figure_is_shown_under_its_group(meters: Meters) -> None:
    """A status with different numbers in all fields: each comes out under its name."""
    meters.show(PROJECTION, "totals.v1", STATUS)
    seen = {
        name.removeprefix("mainstem_projection_"): value
        for (name, _group), value in scraped(meters).items()
    }

    assert seen == {
        "events_total": 100,
        "events_per_second": 20.5,
        "lag_events": 7,
        "lag_seconds": 1.5,
        "cas_failures_total": 1,
        "retries_total": 2,
        "halted_partitions": 1,
        "dead_letters_total": 3,
        "assigned_partitions": 6,
        "rebalances_total": 4,
        "batch_seconds_count": 5,
        "batch_seconds_sum": 0.25,
        "reported_timestamp_seconds": 1000,
    }


def test_a_count_that_begins_anew_goes_on_rising(meters: Meters) -> None:
    """100 events, then 30 after a new connection, then 40: 140 in all; a gauge just follows."""
    for events, lag in ((100, 7), (30, 9), (40, 2)):
        meters.show(PROJECTION, "totals.v1", replace(STATUS, events=events, lag_events=lag))
    seen = scraped(meters)

    assert seen["mainstem_projection_events_total", "totals.v1"] == 140
    assert seen["mainstem_projection_lag_events", "totals.v1"] == 2


def test_projections_of_one_process_are_told_apart(meters: Meters) -> None:
    """Two groups, one metric, two samples."""
    meters.show(PROJECTION, "a.v1", STATUS)
    meters.show(PROJECTION, "b.v1", replace(STATUS, events=1))
    seen = scraped(meters)

    assert seen["mainstem_projection_events_total", "a.v1"] == 100
    assert seen["mainstem_projection_events_total", "b.v1"] == 1


def test_readiness_is_a_metric_too(meters: Meters) -> None:
    """One part that lives, one that does not."""
    well, ill = Vital("well", "word", 9.0), Vital("ill", "word", 9.0)
    well.alive()

    assert scraped(meters, well, ill) == {
        ("mainstem_ready", "well"): 1,
        ("mainstem_ready", "ill"): 0,
    }


def test_nothing_reaches_the_registry_that_applications_share(meters: Meters) -> None:
    """An application that runs ours beside its own metrics sees no new name in its own."""
    meters.show(PROJECTION, "totals.v1", STATUS)
    scraped(meters)
    theirs = prometheus_client.generate_latest().decode()

    assert "mainstem" not in theirs


def test_a_scraper_that_speaks_openmetrics_is_answered_so(meters: Meters) -> None:
    """The content type follows the Accept header."""
    exposition = Exposition(meters, Health([], lambda: False))
    body, content_type = exposition.text("application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
