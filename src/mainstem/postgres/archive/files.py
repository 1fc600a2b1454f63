"""Parquet files of archived months: `FOLDER/TOPIC/2026-01.parquet`, written and read by DuckDB.

A file is never overwritten: a month that is archived again, because late events came, gets
another file, `2026-01-2.parquet`. An id that stands in two files is one event.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeAlias

from mainstem.errors import ConfigurationError, MissingExtra
from mainstem.postgres import naming
from mainstem.postgres.archive import statements
from mainstem.postgres.migration.months import Month

try:
    import duckdb
    import nanoarrow
except ImportError as error:
    raise MissingExtra("archive", "archives of events") from error

Row: TypeAlias = tuple[Any, ...]
"""id, key, data, metadata, and the time as microseconds since 1970."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US, LAST_US = -(2**63), 2**63 - 1

ARROW_TYPES: Final = {
    "bigint": nanoarrow.int64,
    "integer": nanoarrow.int64,
    "smallint": nanoarrow.int64,
    "boolean": nanoarrow.bool_,
    "bytea": nanoarrow.large_binary,
}
"""How keys travel to DuckDB; any other as its text."""


class Digest(NamedTuple):
    """What two copies of a month have in common if they are the same."""

    rows: int
    last_id: int | None
    sha256: str


class ArchivedPage(NamedTuple):
    """Rows as a page of the table has them, and whether there are no more behind them."""

    rows: list[Row]
    ended: bool


class Tally:
    """Counts and hashes rows on their way, in the order of their ids."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._hash = sha256()
        self._rows, self._last_id = 0, None

    def add(self, rows: Iterable[Row]) -> None:
        """Take these rows in: Python's text of a row tells every value, and its type."""
        for row in rows:
            self._hash.update(repr(tuple(row)).encode())
            self._rows, self._last_id = self._rows + 1, row[0]

    @property
    def digest(self) -> Digest:
        """Of all that came."""
        return Digest(self._rows, self._last_id, self._hash.hexdigest())


def write_month(
    folder: Path, topic: str, month: Month, key_type: str, chunks: Iterable[Sequence[Row]]
) -> tuple[Path, Digest]:
    """Write a month's rows to a new file, on disk when it returns; the file and what was written.

    Until it is complete it has another name, so a reader never meets a part of one.
    """
    directory = folder / naming.checked(topic)
    directory.mkdir(parents=True, exist_ok=True)
    file = free_name(directory, month)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=directory) as place:
        part = Path(place) / "rows.parquet"
        with duckdb.connect(str(Path(place) / "stage.duckdb")) as connection:
            connection.execute(statements.IN_UTC)
            connection.execute(statements.create_stage(key_type))
            for chunk in chunks:
                tally.add(chunk)
                connection.register("chunk", arrow(chunk, key_type))
                connection.execute(statements.stage(key_type))
                connection.unregister("chunk")
            connection.execute(statements.save(str(part), topic, month, key_type))
        sync(part)
        # A link, unlike a rename, never replaces a file of the same name.
        os.link(part, file)
    sync(directory)
    return file, tally.digest


def free_name(directory: Path, month: Month) -> Path:
    """The month's file, or the first number that is free."""
    numbered = (f"{month.text}-{number}" for number in count(2))
    for name in (month.text, *(next(numbered) for _ in range(98))):
        if not (directory / f"{name}.parquet").exists():
            return directory / f"{name}.parquet"
    raise ConfigurationError(f"{directory} holds 99 files of {month.text} already")


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def arrow(rows: Sequence[Row], key_type: str) -> Any:
    """The rows as an Arrow table, which DuckDB reads in place."""
    ids, keys, data, metadata, us = zip(*rows, strict=True)
    made = ARROW_TYPES.get(key_type)
    columns = {
        "id": (ids, nanoarrow.int64()),
        "key": (keys, made()) if made else ([str(key) for key in keys], nanoarrow.large_string()),
        "data": (data, nanoarrow.large_binary()),
        "metadata": (metadata, nanoarrow.large_binary()),
        "us": (us, nanoarrow.int64()),
    }
    schema = nanoarrow.struct({name: kind for name, (_, kind) in columns.items()})
    children = [nanoarrow.c_array(list(values), kind) for values, kind in columns.values()]
    array = nanoarrow.c_array_from_buffers(schema, len(rows), [None], children=children)
    return nanoarrow.ArrayStream(array)


def digest_of(file: Path) -> Digest:
    """What a file holds, read back from the disk."""
    tally = Tally()
    with Files() as files:
        for page in files.pages([file]):
            tally.add(page)
    return tally.digest


class Files:
    """Reads Parquet files of archives; one thread at a time."""

    def __init__(self) -> None:
        """A DuckDB in memory, which holds nothing."""
        self._connection = duckdb.connect()
        self._connection.execute(statements.IN_UTC)

    def __enter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Give DuckDB's memory back; safe to call twice."""
        self._connection.close()

    def pages(self, files: Sequence[Path]) -> Iterator[list[Row]]:
        """All rows in the order of their ids."""
        after, rows_max = statements.FIRST_ID, statements.ROWS_MAX
        while rows := self.rows(files, after, rows_max, (FIRST_US, LAST_US)):
            yield rows
            after = rows[-1][0]

    def rows(
        self, files: Sequence[Path], after: int, rows_max: int, span_us: tuple[int, int]
    ) -> list[Row]:
        """The next rows, with the time in microseconds; an id may come twice."""
        names = [str(file) for file in files]
        (key_type,) = self._connection.execute(statements.KEY_TYPE, [names[:1]]).fetchall()[0]
        parameters = [names, after, *span_us, rows_max]
        rows: list[Row] = self._connection.execute(statements.ARCHIVED, parameters).fetchall()
        if key_type == "numeric":
            return [(row[0], Decimal(row[1]), *row[2:]) for row in rows]
        return rows


def moment(us: int) -> datetime:
    """The time of so many microseconds."""
    return EPOCH + timedelta(microseconds=us)


def microseconds(time: datetime) -> int:
    """The inverse of `moment`."""
    return (time - EPOCH) // timedelta(microseconds=1)
