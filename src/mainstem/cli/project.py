"""`mainstem project`: run projections as a service, or apply what is there and exit."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.crew import stopped_by_signals, work_together
from mainstem.cli.loading import definition_at
from mainstem.cli.main import EXIT_CODES
from mainstem.cli.metering import ProjectorMeter, served
from mainstem.cli.options import (
    database_option,
    json_option,
    kafka_option,
    metrics_options,
    registry_option,
)
from mainstem.cli.output import data_json, narrate
from mainstem.errors import ConfigurationError, Retry
from mainstem.telemetry.meters import Meters

if TYPE_CHECKING:
    from mainstem.projection.definition import Definition
    from mainstem.projection.projector import Projector
    from mainstem.projection.reporting import ProjectorStatus
    from mainstem.stopping import Stop


GARBAGE_THRESHOLD = 50_000
"""Objects between two walks of Python's garbage collector, which finds next to nothing here."""


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="MODULE:CLASS...")
@database_option
@kafka_option
@registry_option
@click.option("--once", is_flag=True, help="Apply what is committed so far, then exit.")
@click.option(
    "--lanes",
    type=click.IntRange(1, 64),
    default=1,
    help="Transactions at a time, for each projection: its partitions are shared out.",
)
@click.option(
    "--instance", help="Name of this process in its groups; a restart then moves no partitions."
)
@click.option("--status-s", type=float, default=5.0, help="Seconds between lines of figures.")
@click.option(
    "--unavailable-max-s", type=float, default=60.0, help="Give up when servers are away so long."
)
@metrics_options
@json_option
@click.pass_context
def project(
    context: click.Context,
    /,
    places: tuple[str, ...],
    *,
    once: bool,
    metrics_host: str,
    metrics_port: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Keep projections up to date with their topics: each event is applied exactly once.

    Runs until SIGTERM or Ctrl-C, finishes the transactions at hand within 5 seconds and exits 0.
    Start it several times, and the partitions are shared out. An event that cannot be applied goes
    the way that on_error of its projection says; a partition that halts ends nothing, but with
    --once the exit code is 4 then. Exits 4 with a named refusal where going on could lose or
    double an event.
    """
    from mainstem.stopping import Stop

    stop, meters = Stop(), Meters()
    definitions = distinct([definition_at(place) for place in places])
    # What is loaded by now stays, and events make no garbage that goes in circles.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    width = max(len(each.group) for each in definitions)
    reporters = {
        each.group: ProjectorMeter(
            Narrator(each.group, width, as_json=as_json), meters, each.group, options["status_s"]
        )
        for each in definitions
    }
    vitals = [reporter.vital for reporter in reporters.values()]
    with ExitStack() as stack:
        projectors = [
            projector(stack, each, reporters[each.group], stop, options) for each in definitions
        ]
        stack.enter_context(served(metrics_host, metrics_port, meters, vitals, stop))
        stack.enter_context(stopped_by_signals(stop))
        work_together(works(projectors, reporters, once=once), stop)
    if once and tell_halted(projectors):
        context.exit(EXIT_CODES[Retry.OPERATOR])


def distinct(definitions: list[Definition]) -> list[Definition]:
    """The definitions; ConfigurationError where two are of one group."""
    groups = [each.group for each in definitions]
    if twice := sorted({group for group in groups if groups.count(group) > 1}):
        raise ConfigurationError(
            f"{', '.join(twice)} is given twice",
            hint="--lanes 2 applies two transactions at a time",
        )
    return definitions


def projector(
    stack: ExitStack,
    definition: Definition,
    reporter: ProjectorMeter,
    stop: Stop,
    options: Mapping[str, Any],
) -> Projector:
    """The projector that the options say; its registry is open until the stack ends."""
    from mainstem.assembly import registry_for
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.projection.projector import Projector
    from mainstem.projection.settings import ProjectorSettings

    url, registry_url = options["database_url"], options["schema_registry_url"]
    settings = ProjectorSettings(
        database_url=url,
        kafka=KafkaSettings(options["kafka_bootstrap"]),
        registry_url=registry_url,
        lanes=options["lanes"],
        instance=options["instance"],
        status_s=options["status_s"],
        unavailable_max_s=options["unavailable_max_s"],
    )
    registry = stack.enter_context(closing(registry_for(url, registry_url)))
    return Projector(definition, settings, registry, reporter, stop, reporter.probe)


def works(
    projectors: Iterable[Projector], reporters: Mapping[str, ProjectorMeter], *, once: bool
) -> dict[str, Callable[[], None]]:
    """What each of them is to do, by group."""
    return {
        each.definition.group: partial(run, each, reporters[each.definition.group], once=once)
        for each in projectors
    }


def run(projector: Projector, reporter: ProjectorMeter, *, once: bool) -> None:
    """Run one projector to its end, and tell how it begins and ends."""
    definition = projector.definition
    reporter.narrator.note(f"follows {', '.join(definition.topics)}")
    projector.run(once=once)
    reporter.vital.end()
    reporter.narrator.note("done with all that was committed" if once else "stopped")


def tell_halted(projectors: Sequence[Projector]) -> bool:
    """Tell which partitions stand still; whether there are any."""
    halted = {each.definition.group: sorted(each.halted) for each in projectors if each.halted}
    for group, places in halted.items():
        names = ", ".join(str(place) for place in places)
        narrate(f"{group}: halted in {names}; mainstem projection list shows where and why")
    return bool(halted)


class Narrator:
    """Tells a projector's life: a line of figures per interval."""

    def __init__(self, group: str, width: int, *, as_json: bool) -> None:
        """Figures go to stdout as JSON lines if asked, else to stderr as text, groups aligned."""
        self._group = group
        self._width = width
        self._as_json = as_json

    def note(self, text: str) -> None:
        """Tell what happens once."""
        told = text.removeprefix(f"{self._group}: ")
        narrate(f"{self._group:<{self._width}} · {told}")

    def status(self, status: ProjectorStatus) -> None:
        """Tell the figures of an interval."""
        if self._as_json:
            data_json(as_object(status))
        else:
            narrate(f"{self._group:<{self._width}} · {as_line(status)}")


def as_object(status: ProjectorStatus) -> dict[str, object]:
    """The figures as a JSON object."""
    return {
        "group": status.group,
        "events": status.events,
        "events_per_s": round(status.events_per_s, 1),
        "lag_events": status.lag_events,
        "lag_s": round(status.lag_s, 3),
        "assigned": status.assigned,
        "halted": status.halted,
        "dead_letters": status.dead_letters,
        "retries": status.retries,
        "cas_failures": status.cas_failures,
        "rebalances": status.rebalances,
        "batches": status.batches,
        "batch_s": round(status.batch_s, 3),
    }


def as_line(status: ProjectorStatus) -> str:
    """`39,529 events · 1,204/s · 12 events and 0.4 s behind · 6 partitions`, and any trouble."""
    behind = f"{status.lag_events:,} events and {status.lag_s:.1f} s behind"
    parts = [
        f"{status.events:,} events",
        f"{status.events_per_s:,.0f}/s",
        behind if status.lag_events else "nothing behind",
        counted(status.assigned, "partition"),
    ]
    trouble = {
        "halted": status.halted,
        "set aside": status.dead_letters,
        "retried": status.retries,
        "taken by others": status.cas_failures,
    }
    return " · ".join(parts + [f"{count:,} {what}" for what, count in trouble.items() if count])


def counted(count: int, what: str) -> str:
    """`1 partition`, `6 partitions`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
