"""Tally: the figures of a projector, put together from its lanes at each interval."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter

from mainstem.kafka.delivered import Place
from mainstem.projection.assignment import Assignment
from mainstem.projection.lane import Lane
from mainstem.projection.portion import Holding
from mainstem.projection.reporting import Counters, ProjectorStatus, Reporter


class Tally:
    """The figures of a projector, told at intervals."""

    def __init__(
        self,
        group: str,
        assignment: Assignment,
        lanes: Sequence[Lane],
        telling: tuple[Reporter, Sequence[Counters]],
    ) -> None:
        """Begin an interval. `telling`: whom, and the counters of earlier incarnations too."""
        self._group = group
        self._assignment = assignment
        self._lanes = lanes
        self._reporter, self._counters = telling
        self._events, self._since_s = int(self._sum(attrgetter("events"))), time.monotonic()

    def tell(self, places: Collection[Place]) -> None:
        """Tell the figures of the interval that ends."""
        now_s, events = time.monotonic(), int(self._sum(attrgetter("events")))
        rate = (events - self._events) / (now_s - self._since_s)
        self._events, self._since_s = events, now_s
        holdings = self._holdings()
        lag = self._lag(holdings)
        self._reporter.status(
            ProjectorStatus(
                group=self._group,
                events=events,
                events_per_s=rate,
                lag_events=lag,
                lag_s=self._age_s() if lag else 0.0,
                cas_failures=int(self._sum(attrgetter("cas_failures"))),
                retries=int(self._sum(attrgetter("retries"))),
                halted=sum(each.halted_ms is not None for each in holdings.values()),
                dead_letters=int(self._sum(attrgetter("dead_letters"))),
                assigned=len(places),
                rebalances=int(self._sum(attrgetter("rebalances"))),
                batches=int(self._sum(attrgetter("batches"))),
                batch_s=self._sum(attrgetter("batch_s")),
            )
        )

    def _sum(self, field: Callable[[Counters], float]) -> float:
        return sum(field(each) for each in self._counters)

    def _holdings(self) -> dict[Place, Holding]:
        found: dict[Place, Holding] = {}
        for lane in self._lanes:
            found.update(lane.holdings)
        return found

    def _lag(self, holdings: dict[Place, Holding]) -> int:
        ends = self._assignment.ends(committed=True) if holdings else {}
        return sum(
            max(0, ends[place] - 1 - holding.done)
            for place, holding in holdings.items()
            if place in ends
        )

    def _age_s(self) -> float:
        """Age of the oldest event that waits; where none is at hand, of the newest applied one."""
        waiting = [oldest for lane in self._lanes if (oldest := lane.oldest_ms()) is not None]
        applied = [lane.counters.applied_ms for lane in self._lanes if lane.counters.applied_ms]
        since_ms = min(waiting) if waiting else max(applied, default=None)
        return 0.0 if since_ms is None else max(0.0, time.time() - since_ms / 1000)
