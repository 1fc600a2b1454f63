"""Metric names: each shows figures that exist, and the docs list them all."""

from __future__ import annotations

from dataclasses import fields

import pytest

from mainstem.projection.reporting import ProjectorStatus
from mainstem.replicator.reporting import Status
from mainstem.telemetry.names import PROJECTION, READY, REPLICATOR, Kind, Room
from tests.docs.story import ROOT

PAGE = ROOT / "docs" / "how-to" / "operate-projections.md"


@pytest.mark.parametrize(("room", "status"), [(REPLICATOR, Status), (PROJECTION, ProjectorStatus)])
def test_every_figure_of_a_status_has_a_metric(room: Room, status: type) -> None:
    """The fields that metrics name are the fields that there are, but for the label."""
    named = {field for metric in room.metrics for field in metric.fields}

    assert named == {field.name for field in fields(status)} - {room.label}


@pytest.mark.parametrize("room", [REPLICATOR, PROJECTION])
def test_names_follow_the_customs_of_prometheus(room: Room) -> None:
    """Counters, and nothing else, end in _total; names are told apart by their beginning."""
    for metric in room.metrics:
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.name.startswith("mainstem_")


def test_the_docs_list_every_metric() -> None:
    """Each name stands in the table of the page."""
    page = PAGE.read_text(encoding="utf-8")
    names = [READY]
    for room in (REPLICATOR, PROJECTION):
        names += [room.reported, *(metric.name for metric in room.metrics)]

    assert not [name for name in names if f"| `{name}` |" not in page]
