"""Parquet files of archived months: `FOLDER/TOPIC/2026-01.parquet`, written and read by DuckDB.

An id that stands in two files is one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeAlias

from mainstem.errors import DecodeError, MissingExtra
from mainstem.postgres.archive import statements
from mainstem.postgres.archive.folders import on_disk, sync, unwritable
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
    place: Path, topic: str, month: Month, key_type: str, chunks: Iterable[Sequence[Row]]
) -> tuple[Path, Digest]:
    """Write a month's rows to a file in this place, on disk when it returns; and what was written.

    ConfigurationError if the place cannot take it.
    """
    part, tally = place / "rows.parquet", Tally()
    with written_by_duckdb(place), duckdb.connect(str(place / "stage.duckdb")) as connection:
        connection.execute(statements.IN_UTC)
        connection.execute(statements.create_stage(key_type))
        for chunk in chunks:
            tally.add(chunk)
            connection.register("chunk", arrow(chunk, key_type))
            connection.execute(statements.stage(key_type))
            connection.unregister("chunk")
        connection.execute(statements.save(str(part), topic, month, key_type))
    with on_disk(place):
        sync(part)
    return part, tally.digest


@contextmanager
def written_by_duckdb(place: Path) -> Iterator[None]:
    """Raise ConfigurationError for what keeps DuckDB from writing there."""
    try:
        with on_disk(place):
            yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        # These two speak of paths and sizes; the texts of others may quote values.
        raise unwritable(place, "".join(str(error).splitlines()[:1])) from error
    except duckdb.Error as error:
        raise unwritable(place, f"DuckDB refused: {type(error).__name__}") from error


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
        """The next rows, with the time in microseconds; an id may come twice.

        DecodeError, naming the file, for one that is no archive, or is damaged.
        """
        bounds = [after, *span_us, rows_max]
        try:
            return self._rows(files, bounds)
        except (duckdb.Error, IndexError, ArithmeticError) as error:
            raise self._damaged(files, bounds) from error

    def _rows(self, files: Sequence[Path], bounds: Sequence[int]) -> list[Row]:
        """As `rows`, with DuckDB's errors."""
        names = [str(file) for file in files]
        (key_type,) = self._connection.execute(statements.KEY_TYPE, [names[:1]]).fetchall()[0]
        rows: list[Row] = self._connection.execute(statements.ARCHIVED, [names, *bounds]).fetchall()
        if key_type == "numeric":
            return [(row[0], Decimal(row[1]), *row[2:]) for row in rows]
        return rows

    def _damaged(self, files: Sequence[Path], bounds: Sequence[int]) -> DecodeError:
        """Our error, with the name of the first file that cannot be read by itself."""
        for file in files:
            try:
                self._rows([file], bounds)
            except (duckdb.Error, IndexError, ArithmeticError):
                return unreadable(str(file))
        return unreadable(" together with ".join(map(str, files)))


def unreadable(name: str) -> DecodeError:
    """A file cannot be read as an archive."""
    return DecodeError(
        f"the archive {name} is damaged or cannot be read",
        hint="bring the file back from a copy; without it the month's events are not complete",
    )


def moment(us: int) -> datetime:
    """The time of so many microseconds."""
    return EPOCH + timedelta(microseconds=us)


def microseconds(time: datetime) -> int:
    """The inverse of `moment`."""
    return (time - EPOCH) // timedelta(microseconds=1)
