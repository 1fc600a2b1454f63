"""Whether the replicator has a month: its own slot, which reads a publication of the topic."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mainstem.errors import ConfigurationError, ServerUnavailable
from mainstem.event import format_lsn, parse_lsn
from mainstem.postgres import naming
from mainstem.postgres.archive import statements
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import run
from mainstem.postgres.options import DEFAULT_PUBLICATION
from mainstem.postgres.plan import Plan, asking
from mainstem.postgres.statements import publishes
from mainstem.wal.slots import Slot, inspect_slot
from mainstem.wal.statements import PLUGIN

if TYPE_CHECKING:
    import psycopg

POLL_S: Final = 0.2
OTHERWISE: Final = "compare with mainstem verify TOPIC; then say --yes-replicated"


@dataclass(frozen=True, slots=True)
class Line:
    """A replicator, by the names that it was started with."""

    name: str = "main"
    publication: str = DEFAULT_PUBLICATION

    def __post_init__(self) -> None:
        """Refuse names that are no identifiers."""
        naming.checked(self.name, "line")
        naming.checked(self.publication, "publication")

    @property
    def slot(self) -> str:
        """As the replicator calls it."""
        return f"mainstem_{self.name}"


def check_line(connection: psycopg.Connection[Any], topic: str, line: Line) -> None:
    """ConfigurationError unless the line's slot is here and its publication has the topic."""
    live_slot(connection, line)
    if not any(published for (published,) in run(connection, of_publication(topic, line))):
        raise ConfigurationError(
            f"the publication {line.publication} does not hold {naming.EVENT_SCHEMA}.{topic},"
            " so no slot tells whether its events are in Kafka",
            hint=f"name the line's own by --publication; or {OTHERWISE}",
        )


def of_publication(topic: str, line: Line) -> Plan[list[Any]]:
    """Whether the line's publication holds the topic."""
    return asking(publishes(line.publication, topic))


def live_slot(connection: psycopg.Connection[Any], line: Line) -> Slot:
    """The line's slot; ConfigurationError if it is none that a replicator can read here."""
    with mapped():
        slot = inspect_slot(connection, line.slot)
    database = run(connection, asking(statements.DATABASE))[0][0]
    if slot is None or (slot.plugin, slot.database) != (PLUGIN, database):
        raise ConfigurationError(
            f"no replication slot {line.slot} in the database {database}"
            " tells whether the events are in Kafka",
            hint=f"name the replicator's line by --line; or {OTHERWISE}",
        )
    if slot.wal_status == "lost":
        raise ConfigurationError(f"the slot {line.slot} was invalidated", hint=OTHERWISE)
    return slot


def wait_for_line(connection: psycopg.Connection[Any], line: Line, timeout_s: float) -> None:
    """Return once the line's slot has confirmed what is committed now; ServerUnavailable."""
    lsn = parse_lsn(run(connection, asking(statements.MARK))[0][0])
    deadline = time.monotonic() + timeout_s
    while live_slot(connection, line).confirmed_flush_lsn < lsn:
        if time.monotonic() > deadline:
            raise ServerUnavailable(
                f"the slot {line.slot} has not confirmed {format_lsn(lsn)} within {timeout_s:g} s,"
                " so events of the month may not be in Kafka yet; the table is as it was",
                hint="let mainstem replicate run, then archive the month again",
            )
        threading.Event().wait(POLL_S)
