"""The rebuild from beginning to end: prepare the shadow, fill it, then compare or swap."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem.projection.definition import Definition
from mainstem.projection.rebuilding.comparison import TableComparison
from mainstem.projection.rebuilding.planning import plan_rebuild
from mainstem.projection.rebuilding.swapping import Swap, Swapped, drop_replaced
from mainstem.projection.rebuilding.work import Observe, RebuildSettings, alone, unobserved


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild has done."""

    group: str
    resumed: bool
    events: int
    """Read in this run."""
    seconds: float
    """Of reading and applying them."""
    swapped: Swapped | None = None
    old_schema: str | None = None
    """Where the old tables still are."""
    compared: tuple[TableComparison, ...] = ()

    @property
    def events_per_s(self) -> float:
        """The rate of reading and applying."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def equal(self) -> bool:
        """Whether no difference was found."""
        return all(each.equal for each in self.compared)


def rebuild(
    definition: Definition, settings: RebuildSettings, observe: Observe = unobserved
) -> RebuildReport:
    """Build the projection's tables anew, and let them serve in place of the old ones.

    A rebuild that ended early is resumed. Raises the refusal `rebuild-would-break` before
    anything is applied, where a swap would break something; ConfigurationError, TransactionFailed,
    ServerUnavailable, and what keeps an event from being applied.
    """
    plan = plan_rebuild(definition, settings.beginnings)
    with alone(settings, plan) as work:
        work.shadow.clear_old()
        resumed = work.prepare(restart=settings.restart)
        work.shadow.check_swap()
        with work.builder(observe) as builder:
            work.catch_up(builder)
            spent_s = work.spent_s
            swap = Swap(work.session, plan, lambda until: work.reach(builder, until))
            swapped = swap.run(settings.swap_timeout_s, work.pause)
            events = builder.standing.events
        gone = drop_replaced(work.session, plan, keep=settings.keep_old)
    kept = None if gone else plan.old_schema
    return RebuildReport(plan.serving.group, resumed, events, spent_s, swapped, kept)


def rehearse(
    definition: Definition, settings: RebuildSettings, observe: Observe = unobserved
) -> RebuildReport:
    """Build the projection's tables anew, tell how they differ from those that serve, drop them.

    Both are compared as of the same offsets. Raises as `rebuild` does, but refuses nothing.
    """
    plan = plan_rebuild(definition, settings.beginnings, trial=True)
    with alone(settings, plan) as work:
        resumed = work.prepare_behind(restart=settings.restart)
        try:
            with work.builder(observe) as builder:
                compared = work.compare(builder)
                events = builder.standing.events
        finally:
            work.shadow.drop()
    return RebuildReport(plan.serving.group, resumed, events, work.spent_s, compared=compared)
