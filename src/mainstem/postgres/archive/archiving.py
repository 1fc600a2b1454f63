"""Archiving a month: its rows become a file that is checked, and only then leave the table.

In this order, so that it can be broken off anywhere and called again: write the rows to a file
without a name, read it back and compare; wait until the replicator has confirmed what committed so
far; then, with nobody else in the table, compare once more, detach the partition and drop it, and
give the file its name just before that commits. A file that got its name from an attempt which
died there is used by the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    ServerUnavailable,
    TransactionFailed,
)
from mainstem.postgres import naming
from mainstem.postgres.archive import statements
from mainstem.postgres.archive.confirming import Line, check_line, wait_for_line
from mainstem.postgres.archive.files import Digest, Row, Tally, digest_of, write_month
from mainstem.postgres.archive.folders import files_of, free_name, keep, publish, workplace
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import run
from mainstem.postgres.migration.months import Month
from mainstem.postgres.migration.partitions import existing_months, partitioned
from mainstem.postgres.migration.statements import has_trigger
from mainstem.postgres.migration.steps import each
from mainstem.postgres.plan import Plan, asking
from mainstem.postgres.table import EventTable

if TYPE_CHECKING:
    import psycopg

LOCK_TRIES: Final = 5
LOCK_PAUSE_S: Final = 1.0
"""In between, so that those who queued up behind the lock go on."""


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
    """How long the replicator may take to confirm."""
    line: Line = field(default_factory=Line)
    """Whose word counts."""

    def __post_init__(self) -> None:
        """Refuse a time that cannot be waited for."""
        if not self.timeout_s > 0:
            raise ConfigurationError(f"timeout_s must be positive, not {self.timeout_s}")


def archive_month(
    connection: psycopg.Connection[Any], topic: str, month: Month, settings: ArchiveSettings
) -> Archived:
    """Move a month of a partitioned topic to a file; a connection in autocommit mode.

    ConfigurationError for a month that has not ended or has no partition, for a caller who may
    not drop it, and for a folder that cannot be written to; ServerUnavailable while the replicator
    has not confirmed it, or another archives it; TransactionFailed while the table is in use;
    DecodeError for a file that is not what was written.
    """
    with alone(connection, topic, month):
        table = run(connection, archivable(topic, month))
        if not settings.replicated:
            check_line(connection, topic, settings.line)
        with workplace(settings.folder, topic, month) as place:
            return move(connection, table, month, (settings, place))


def move(
    connection: psycopg.Connection[Any],
    table: EventTable,
    month: Month,
    where: tuple[ArchiveSettings, Path],
) -> Archived:
    """The way of a month that may go, over a file in this place."""
    settings, place = where
    topic = table.topic
    with mapped(), connection.transaction():
        run(connection, each([statements.SNAPSHOT]))
        chunks = rows(connection, topic, month)
        part, written = write_month(place, topic, month, table.key_type, chunks)
    if digest_of(part) != written:
        raise DecodeError(
            f"the file {part} does not hold what was written; the table is as it was",
            hint="check the disk, then archive the month again",
        )
    same = [file for file in files_of(settings.folder, topic, month.text) if holds(file, written)]
    if not settings.replicated:
        wait_for_line(connection, settings.line, settings.timeout_s)
    guarded = bool(run(connection, asking(has_trigger(table.oid))))
    with mapped(), connection.transaction():
        lock(connection, topic)
        check_unchanged(connection, topic, month, written, guarded=guarded)
        run(connection, each([statements.detach(topic, month), statements.drop(topic, month)]))
        # The last step before the commit: whatever failed above has left no file.
        file = same[0] if same else free_name(settings.folder, topic, month)
        if same:
            keep(file)
        else:
            publish(part, file)
    return Archived(file, written)


def holds(file: Path, written: Digest) -> bool:
    """Whether an attempt that died before its commit has left just this."""
    return digest_of(file) == written


@contextmanager
def alone(connection: psycopg.Connection[Any], topic: str, month: Month) -> Iterator[None]:
    """Keep other archives of the month away; ServerUnavailable if one is at work."""
    if not run(connection, asking(statements.try_lock(topic, month)))[0][0]:
        raise ServerUnavailable(
            f"another session archives {month.text} of {topic}", hint="wait until it has ended"
        )
    try:
        yield
    finally:
        # A connection that broke has given its locks back.
        with suppress(ServerUnavailable):
            run(connection, asking(statements.unlock(topic, month)))


def archivable(topic: str, month: Month) -> Plan[EventTable]:
    """The topic's table, whose month has ended, is there, and is the caller's to drop."""
    table = yield from partitioned(topic)
    if month not in (yield from existing_months(topic)):
        raise ConfigurationError(
            f"{naming.EVENT_SCHEMA}.{topic} has no partition {month.text}",
            hint="it may have been archived before",
        )
    if not (yield statements.is_over(month))[0][0]:
        raise ConfigurationError(f"{month.text} has not ended yet", hint="archive it when it has")
    if not (yield statements.owned(topic, month))[0][0]:
        raise ConfigurationError(
            f"only the owner of {naming.EVENT_SCHEMA}.{topic} may archive its months",
            hint="connect as the owner, or as a member of its role",
        )
    return table


def rows(connection: psycopg.Connection[Any], topic: str, month: Month) -> Iterator[list[Row]]:
    """The month's rows in the order of their ids, in chunks."""
    after = statements.FIRST_ID
    while chunk := run(connection, asking(statements.rows(topic, month, after))):
        yield chunk
        after = chunk[-1][0]


def lock(connection: psycopg.Connection[Any], topic: str) -> None:
    """Keep everybody out of the table; TransactionFailed while transactions on it stay open."""
    run(connection, each([statements.LOCK_TIMEOUT]))
    for tries_left in reversed(range(LOCK_TRIES)):
        try:
            # Waiting for the lock lets nobody else in, so it is done in short turns.
            with connection.transaction():
                run(connection, each([statements.lock(topic)]))
            break
        except TransactionFailed as error:
            if not tries_left:
                raise TransactionFailed(
                    f"transactions on {topic} stay open; the table is as it was",
                    hint="try later, or end what holds the table",
                ) from error
            threading.Event().wait(LOCK_PAUSE_S)


def check_unchanged(
    connection: psycopg.Connection[Any], topic: str, month: Month, written: Digest, *, guarded: bool
) -> None:
    """The month is still what was written; ServerUnavailable if events came meanwhile."""
    same = tuple(run(connection, asking(statements.size(topic, month)))[0]) == written[:2]
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
