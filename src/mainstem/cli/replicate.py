"""`mainstem replicate`: run the replicator as a service, or drain and exit."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from mainstem.cli.metering import ReplicatorMeter, served
from mainstem.cli.options import database_option, json_option, kafka_option, metrics_options
from mainstem.cli.output import data_json, narrate, progress
from mainstem.event import format_lsn

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mainstem.replicator.progress import Backfill
    from mainstem.replicator.reporting import Status


@click.command()
@database_option
@kafka_option
@click.option("--once", is_flag=True, help="Carry what is committed so far, then exit.")
@click.option("--line", default="main", help="Name of the line: of its slot and its progress.")
@click.option("--publication", default="mainstem", help="Publication that the slot reads.")
@click.option(
    "--topic", "topics", multiple=True, help="Also a table whose name does not end in _events."
)
@click.option("--heartbeat-s", type=float, default=5.0, help="Seconds between heartbeats.")
@click.option(
    "--takeover-s", type=float, default=10.0, help="A silent replicator loses the line after this."
)
@click.option("--status-s", type=float, default=5.0, help="Seconds between lines of figures.")
@click.option(
    "--unavailable-max-s", type=float, default=60.0, help="Give up when servers are away so long."
)
@metrics_options
@json_option
def replicate(
    *,
    database_url: str,
    kafka_bootstrap: str,
    once: bool,
    line: str,
    publication: str,
    topics: tuple[str, ...],
    heartbeat_s: float,
    takeover_s: float,
    status_s: float,
    unavailable_max_s: float,
    metrics_host: str,
    metrics_port: int | None,
    as_json: bool,
) -> None:
    """Carry every committed event into Kafka: exactly once, in commit order.

    Runs until SIGTERM or Ctrl-C, finishes its batch within 5 seconds and exits 0. A second
    replicator of the same database waits and takes over. Exits 4 with a named refusal where going
    on could lose, double or reorder an event: `mainstem explain NAME` tells more.
    """
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.replicator.service import Replicator
    from mainstem.replicator.settings import ReplicatorSettings
    from mainstem.stopping import Stop

    settings = ReplicatorSettings(
        database_url=database_url,
        kafka=KafkaSettings(kafka_bootstrap),
        line=line,
        publication=publication,
        extra_topics=topics,
        heartbeat_s=heartbeat_s,
        takeover_s=takeover_s,
        status_s=status_s,
        unavailable_max_s=unavailable_max_s,
    )
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.interrupt)
    with progress() as bars:
        narrator = Narrator(bars, as_json=as_json)
        meter = ReplicatorMeter(narrator, heartbeat_s, line)
        with served(metrics_host, metrics_port, meter.meters, [meter.vital], stop):
            replicator = Replicator(settings, reporter=meter, stop=stop, probe=meter.probe)
            replicator.run(once=once)
    narrate(f"line {line}: {replicator.events:,} events published; stopped")


class Narrator:
    """Tells a replicator's life: a line of figures per interval, a bar for older rows."""

    def __init__(self, bars: Progress, *, as_json: bool) -> None:
        """Figures go to stdout as JSON lines if asked, else to stderr as text."""
        self._bars = bars
        self._as_json = as_json
        self._tasks: dict[str, tuple[int, TaskID]] = {}

    def note(self, text: str) -> None:
        """Tell what happens once."""
        narrate(text)

    def status(self, status: Status) -> None:
        """Tell the figures of an interval."""
        if self._as_json:
            data_json(
                {
                    "line": status.line,
                    "events": status.events,
                    "events_per_s": round(status.events_per_s, 1),
                    "resent": status.resent,
                    "lag_bytes": status.lag_bytes,
                    "lag_s": round(status.lag_s, 3),
                    "flushed_lsn": format_lsn(status.flushed_lsn),
                }
            )
            return
        narrate(
            f"line {status.line} · {status.events:,} events · {status.events_per_s:,.0f}/s"
            f" · {size(status.lag_bytes)} and {status.lag_s:.1f} s behind"
        )

    def backfill(self, topic: str, backfill: Backfill) -> None:
        """Move the bar of a topic's older rows; ids measure the way, for counting would be slow."""
        first_id, task = self._tasks.get(topic) or self._begin(topic, backfill)
        done = backfill.last_id if backfill.finished else backfill.done_id
        self._bars.update(task, completed=done - first_id)
        if backfill.finished:
            narrate(f"{topic}: {backfill.done_rows:,} older rows carried over")

    def _begin(self, topic: str, backfill: Backfill) -> tuple[int, TaskID]:
        """The bar of a topic; a resumed backfill begins where it is."""
        first_id = min(backfill.done_id, 0) if backfill.done_rows else 0
        task = self._bars.add_task(f"{topic}: older rows", total=backfill.last_id - first_id)
        self._tasks[topic] = (first_id, task)
        return self._tasks[topic]


def size(count: int) -> str:
    """Bytes with a unit: `16 kB`."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:  # noqa: PLR2004 - the step between units
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
