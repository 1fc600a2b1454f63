"""Prometheus: the figures in its text format, by its own library, on a registry of our own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mainstem.telemetry.health import Health
from mainstem.telemetry.meters import Meters, Reading, Taken
from mainstem.telemetry.names import READY, READY_LABEL, READY_MEANING, REPORTED, Kind

SUFFIX: Final = "_total"
"""The library puts it on the names of counters itself."""


class Exposition(Collector):
    """Answers a scrape with the figures of this moment."""

    def __init__(self, meters: Meters, health: Health) -> None:
        """Collect from these; nothing else in the process is shown, and nothing is global."""
        self._meters = meters
        self._health = health
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """The figures and their content type, in the format that the scraper asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """All metrics; called by the library."""
        for _name, readings in groupby(self._meters.readings(), lambda each: each.metric.name):
            yield family(list(readings))
        for _name, taken in groupby(self._meters.taken(), lambda each: each.name):
            yield moments(list(taken))
        yield readiness(self._health)


def family(readings: list[Reading]) -> Metric:
    """One metric with the figures of all services that have it."""
    metric, label = readings[0].metric, readings[0].label
    if metric.kind is Kind.SUMMARY:
        summary = SummaryMetricFamily(metric.name, metric.meaning, labels=[label])
        for reading in readings:
            count, total = reading.figures
            summary.add_metric([reading.subject], int(count), total)
        return summary
    counter = metric.kind is Kind.COUNTER
    cls = CounterMetricFamily if counter else GaugeMetricFamily
    found = cls(metric.name.removesuffix(SUFFIX), metric.meaning, labels=[label])
    for reading in readings:
        found.add_metric([reading.subject], reading.figures[0])
    return found


def moments(taken: list[Taken]) -> Metric:
    """When the figures of services of one kind were taken."""
    found = GaugeMetricFamily(taken[0].name, REPORTED, labels=[taken[0].label])
    for each in taken:
        found.add_metric([each.subject], each.time_s)
    return found


def readiness(health: Health) -> Metric:
    """Which parts are ready."""
    found = GaugeMetricFamily(READY, READY_MEANING, labels=[READY_LABEL])
    for name, part in health.readiness()["parts"].items():
        found.add_metric([name], float(part["ready"]))
    return found
