"""Archiving a month: its rows become a file that is checked, and only then leave the table.

In this order, so that it can be broken off anywhere and called again: write the file, read it back
and compare; wait until every replication slot has confirmed what committed so far; then, with
nobody else in the table, compare once more, detach the partition and drop it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mainstem.errors import ConfigurationError, DecodeError, ServerUnavailable
from mainstem.event import format_lsn, parse_lsn
from mainstem.postgres import naming
from mainstem.postgres.archive import statements
from mainstem.postgres.archive.files import Digest, Row, Tally, digest_of, write_month
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import run
from mainstem.postgres.migration.months import Month
from mainstem.postgres.migration.partitions import existing_months, partitioned
from mainstem.postgres.migration.statements import has_trigger
from mainstem.postgres.migration.steps import each
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Statement
from mainstem.postgres.table import EventTable

if TYPE_CHECKING:
    import psycopg

POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Archived:
    """What was archived, and where it is now."""

    file: Path
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """Where to, and how sure to be that Kafka has it."""

    folder: Path
    replicated: bool = False
    """The operator answers for it that every event of the month is in Kafka, or need not be."""
    timeout_s: float = 30.0
    """How long the replication slots may take to confirm."""


def archive_month(
    connection: psycopg.Connection[Any], topic: str, month: Month, settings: ArchiveSettings
) -> Archived:
    """Move a month of a partitioned topic to a file; a connection in autocommit mode.

    ConfigurationError for a month that has not ended or has no partition, ServerUnavailable while
    the replicator has not confirmed it, DecodeError for a file that is not what was written.
    """
    table = run(connection, archivable(topic, month))
    with mapped(), connection.transaction():
        run(connection, each([statements.SNAPSHOT]))
        chunks = rows(connection, topic, month)
        file, written = write_month(settings.folder, topic, month, table.key_type, chunks)
    if digest_of(file) != written:
        raise DecodeError(
            f"the file {file} does not hold what was written; the table is as it was",
            hint="check the disk, remove the file, and archive the month again",
        )
    if not settings.replicated:
        wait_for_slots(connection, settings.timeout_s)
    guarded = bool(run(connection, asked(has_trigger(table.oid))))
    with mapped(), connection.transaction():
        run(connection, each([statements.LOCK_TIMEOUT, statements.lock(topic)]))
        check_unchanged(connection, topic, month, written, guarded=guarded)
        run(connection, each([statements.detach(topic, month), statements.drop(topic, month)]))
    return Archived(file, written)


def archivable(topic: str, month: Month) -> Plan[EventTable]:
    """The topic's table, whose month has ended and is there; ConfigurationError."""
    table = yield from partitioned(topic)
    if month not in (yield from existing_months(topic)):
        raise ConfigurationError(
            f"{naming.EVENT_SCHEMA}.{topic} has no partition {month.text}",
            hint="it may have been archived before",
        )
    if not (yield statements.is_over(month))[0][0]:
        raise ConfigurationError(f"{month.text} has not ended yet", hint="archive it when it has")
    return table


def asked(statement: Statement) -> Plan[list[Any]]:
    """The rows that a statement answers."""
    found: list[Any] = yield statement
    return found


def rows(connection: psycopg.Connection[Any], topic: str, month: Month) -> Iterator[list[Row]]:
    """The month's rows in the order of their ids, in chunks."""
    after = statements.FIRST_ID
    while chunk := run(connection, asked(statements.rows(topic, month, after))):
        yield chunk
        after = chunk[-1][0]


def wait_for_slots(connection: psycopg.Connection[Any], timeout_s: float) -> None:
    """Return once every replication slot of the database has confirmed what is committed now.

    ConfigurationError where there is no slot, for then nothing is known.
    """
    lsn = parse_lsn(run(connection, asked(statements.MARK))[0][0])
    deadline = time.monotonic() + timeout_s
    while True:
        found = run(connection, asked(statements.slots(lsn)))
        if not found:
            raise ConfigurationError(
                "no replication slot tells whether the events are in Kafka",
                hint="compare with mainstem verify TOPIC; then say --yes-replicated",
            )
        behind = sorted(name for name, confirmed in found if not confirmed)
        if not behind:
            return
        if time.monotonic() > deadline:
            raise ServerUnavailable(
                f"the slots {', '.join(behind)} have not confirmed {format_lsn(lsn)}"
                f" within {timeout_s:.0f} s, so events of the month may not be in Kafka yet",
                hint="let mainstem replicate run, then archive the month again",
            )
        threading.Event().wait(POLL_S)


def check_unchanged(
    connection: psycopg.Connection[Any], topic: str, month: Month, written: Digest, *, guarded: bool
) -> None:
    """The month is still what was written; ServerUnavailable if events came meanwhile."""
    same = tuple(run(connection, asked(statements.size(topic, month)))[0]) == written[:2]
    if same and not guarded:
        tally = Tally()
        for chunk in rows(connection, topic, month):
            tally.add(chunk)
        same = tally.digest == written
    if not same:
        raise ServerUnavailable(
            f"events of {month.text} were saved while it was archived; the table is as it was",
            hint="archive the month again",
        )
