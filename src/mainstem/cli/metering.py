"""`--metrics-port`: what a service tells also goes to Prometheus and to health checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mainstem.cli.output import narrate
from mainstem.errors import MissingExtra
from mainstem.telemetry.health import Health, Vital
from mainstem.telemetry.meters import Meters
from mainstem.telemetry.names import PROJECTION, REPLICATOR

if TYPE_CHECKING:
    from mainstem.projection.points import Point as ProjectionPoint
    from mainstem.projection.reporting import ProjectorStatus
    from mainstem.projection.reporting import Reporter as ProjectorReporter
    from mainstem.replicator.points import Point as ReplicatorPoint
    from mainstem.replicator.progress import Backfill
    from mainstem.replicator.reporting import Reporter as ReplicatorReporter
    from mainstem.replicator.reporting import Status
    from mainstem.stopping import Stop

SILENT_INTERVALS: Final = 3
"""So many heartbeats, or lines of figures, may be missing before something is wrong."""
SILENCE_MIN_S: Final = 2.0
"""A busy machine may be late by so much at any time."""


@contextmanager
def served(
    host: str,
    port: int | None,
    meters: Meters,
    vitals: Iterable[Vital],
    stop: Stop,
) -> Iterator[None]:
    """Answer scrapes and health checks for the block, where there is a port."""
    if port is None:
        yield
        return
    try:
        from mainstem.telemetry.prometheus import Exposition
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        raise MissingExtra("metrics", "--metrics-port") from error
    from mainstem.telemetry.server import TelemetryServer, pages

    health = Health(vitals, lambda: stop.requested)
    with TelemetryServer(host, port, pages(health, Exposition(meters, health).text)) as server:
        narrate(f"metrics at {server.url}/metrics, health at {server.url}/health/ready")
        yield


class ReplicatorMeter:
    """Feeds the narration of a replicator, the metrics and its health; its Reporter and Probe."""

    def __init__(self, narrator: ReplicatorReporter, heartbeat_s: float, line: str) -> None:
        """Pass everything on to the narrator."""
        self.meters = Meters()
        self.vital = Vital(f"line {line}", "heartbeat came back", silence(heartbeat_s))
        self._narrator = narrator
        self._lag_max_s = silence(heartbeat_s)

    def note(self, text: str) -> None:
        """Tell it, and keep it as an explanation."""
        self.vital.say(text)
        self._narrator.note(text)

    def status(self, status: Status) -> None:
        """Show the figures; a heartbeat that takes too long makes the line unready."""
        self.meters.show(REPLICATOR, status.line, status)
        late = status.lag_s > self._lag_max_s
        self.vital.judge(f"{status.lag_s:.0f} s behind" if late else "")
        self._narrator.status(status)

    def backfill(self, topic: str, backfill: Backfill) -> None:
        """Tell it; no heartbeat goes round meanwhile."""
        self.vital.say(f"{topic}: {backfill.done_rows:,} older rows carried over so far")
        self._narrator.backfill(topic, backfill)

    def probe(self, point: ReplicatorPoint) -> None:
        """An acknowledged batch has gone all the way; each heartbeat makes one."""
        if point.name == "ACKNOWLEDGED":
            self.vital.alive()


class ProjectorMeter:
    """Feeds the narration of a projector, the metrics and its health; its Reporter and Probe."""

    def __init__(
        self, narrator: ProjectorReporter, meters: Meters, group: str, status_s: float
    ) -> None:
        """Pass everything on to the narrator; several projectors share the meters."""
        self.vital = Vital(group, "word from Kafka and the database", silence(status_s))
        self._meters = meters
        self.narrator = narrator

    def note(self, text: str) -> None:
        """Tell it, and keep it as an explanation."""
        self.vital.say(text)
        self.narrator.note(text)

    def status(self, status: ProjectorStatus) -> None:
        """Show the figures, for which both servers were asked; a halt makes it unready."""
        self._meters.show(PROJECTION, status.group, status)
        self.vital.alive()
        self.vital.judge(halted(status.halted))
        self.narrator.status(status)

    def probe(self, point: ProjectionPoint) -> None:
        """Partitions came, with their offsets out of the database."""
        if point.name == "ASSIGNED":
            self.vital.alive()


def silence(interval_s: float) -> float:
    """How long nothing may come of what comes at this interval."""
    return max(SILENT_INTERVALS * interval_s, SILENCE_MIN_S)


def halted(partitions: int) -> str:
    """Why a projector with so many halted partitions is not ready."""
    if not partitions:
        return ""
    which = "partition stands" if partitions == 1 else "partitions stand"
    return f"{partitions} {which} still at an event: mainstem projection list"
