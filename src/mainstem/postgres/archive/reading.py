"""Reading an archive beside its table: pages of archived rows, and the two of them made one.

A month leaves the table only when its file is complete. So whoever reads a page of the table
first and the files after it misses nothing: a row that is no longer in the one is in the other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from mainstem.postgres.archive.files import (
    FIRST_US,
    LAST_US,
    ArchivedPage,
    Files,
    Row,
    microseconds,
    moment,
)
from mainstem.postgres.archive.folders import checked_folder, files_of
from mainstem.postgres.archive.statements import BYTES_MAX, FIRST_ID

__all__ = ["Archive", "Asked", "Span", "files_of", "joined"]

ROWS_MAX: Final = 1000


class Span(NamedTuple):
    """From when on, and until before when, as the filters of a reading."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def microseconds(self) -> tuple[int, int]:
        """As the files are asked."""
        since = FIRST_US if self.since is None else microseconds(self.since)
        until = LAST_US if self.until is None else microseconds(self.until)
        return since, until


class Asked(NamedTuple):
    """What a page of a table was asked for."""

    after: int | None
    rows_max: int
    since: datetime | None = None
    until: datetime | None = None


ALWAYS: Final = Span()


class Archive:
    """The files of one folder; several threads may share it, and take turns."""

    def __init__(self, folder: Path) -> None:
        """Nothing is opened yet; ConfigurationError if there is no such folder."""
        self._folder = checked_folder(folder)
        self._files: Files | None = None
        self._lock = threading.Lock()

    def page(
        self,
        topic: str,
        after: int | None = None,
        rows_max: int = ROWS_MAX,
        span: Span = ALWAYS,
    ) -> ArchivedPage:
        """The next archived rows (id, key, data, metadata, timestamp) in the order of their ids.

        It blocks, for a few milliseconds: no event loop should call it.
        """
        found = files_of(self._folder, topic)
        if not found:
            return ArchivedPage([], ended=True)
        start = FIRST_ID if after is None else after
        with self._lock:
            self._files = self._files or Files()
            rows = self._files.rows(found, start, rows_max, span.microseconds)
        full = len(rows) >= rows_max or size_of(rows) >= BYTES_MAX
        return ArchivedPage(distinct(rows), ended=not full)

    def beside(
        self, table: Sequence[Sequence[Any]], topic: str, asked: Asked, *, table_ended: bool
    ) -> tuple[list[Sequence[Any]], bool]:
        """A page of the table with what the files hold after the same id, as one page.

        The table must have been read before: a month leaves it only when its file is complete.
        """
        archived = self.page(topic, asked.after, asked.rows_max, Span(asked.since, asked.until))
        return joined(table, archived, table_ended=table_ended, rows_max=asked.rows_max)

    def close(self) -> None:
        """Give memory back; a later page opens it again."""
        with self._lock:
            if self._files is not None:
                self._files.close()
            self._files = None


def size_of(rows: Sequence[Row]) -> int:
    """What a page is bounded by, beside the number of its rows."""
    return sum(len(data) + len(metadata or b"") for _, _, data, metadata, _ in rows)


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Each id once, with the time as Python has it."""
    unique = {row[0]: row for row in rows}
    return [(*row[:4], moment(row[4])) for row in unique.values()]


def joined(
    table: Sequence[Sequence[Any]],
    archived: ArchivedPage,
    *,
    table_ended: bool,
    rows_max: int = ROWS_MAX,
) -> tuple[list[Sequence[Any]], bool]:
    """A page of the table and one of the files after the same id, as one page; pure.

    It ends where the first of the two that go on has ended, so that no id is passed over. The
    second answer is whether there is nothing behind it.
    """
    ends = []
    if not table_ended and table:
        ends.append(table[-1][0])
    if not archived.ended and archived.rows:
        ends.append(archived.rows[-1][0])
    rows: dict[int, Sequence[Any]] = {row[0]: row for row in archived.rows}
    rows |= {row[0]: row for row in table}
    wanted = sorted(rows) if not ends else [place for place in sorted(rows) if place <= min(ends)]
    return [rows[place] for place in wanted[:rows_max]], not ends and len(wanted) <= rows_max
