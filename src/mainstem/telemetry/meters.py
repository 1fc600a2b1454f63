"""Meters: the newest figures of each service in the process, ready to be asked for; pure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from mainstem.telemetry.names import Kind, Metric, Room


class Reading(NamedTuple):
    """The figures of one metric, of one service."""

    metric: Metric
    label: str
    subject: str
    """What the label says."""
    figures: tuple[float, ...]
    """One for each of the metric's fields."""


class Taken(NamedTuple):
    """When the figures of a service were taken."""

    name: str
    label: str
    subject: str
    time_s: float


class Meters:
    """What was shown last; any thread may show and ask."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Nothing was shown yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._readings: dict[tuple[str, str], Reading] = {}
        self._taken: dict[tuple[str, str], Taken] = {}
        self._last: dict[tuple[str, str], tuple[float, ...]] = {}

    def show(self, room: Room, subject: str, status: object) -> None:
        """Take the figures of a service out of its status."""
        with self._lock:
            for metric in room.metrics:
                figures = tuple(float(getattr(status, field)) for field in metric.fields)
                if metric.kind is not Kind.GAUGE:
                    figures = self._risen(metric, subject, figures)
                reading = Reading(metric, room.label, subject, figures)
                self._readings[metric.name, subject] = reading
            taken = Taken(room.reported, room.label, subject, self._clock())
            self._taken[room.reported, subject] = taken

    def readings(self) -> list[Reading]:
        """The newest figures of all metrics, those of one metric together."""
        with self._lock:
            return sorted(self._readings.values(), key=lambda each: (each.metric.name, each[2]))

    def taken(self) -> list[Taken]:
        """When they were taken."""
        with self._lock:
            return sorted(self._taken.values())

    def _risen(self, metric: Metric, subject: str, figures: tuple[float, ...]) -> tuple[float, ...]:
        """The totals: a count that is lower than before has begun anew."""
        place = (metric.name, subject)
        last = self._last.get(place, (0.0,) * len(figures))
        before = self._readings.get(place)
        totals = before.figures if before else (0.0,) * len(figures)
        anew = any(now < then for now, then in zip(figures, last, strict=True))
        self._last[place] = figures
        return tuple(
            total + (now if anew else now - then)
            for total, now, then in zip(totals, figures, last, strict=True)
        )
