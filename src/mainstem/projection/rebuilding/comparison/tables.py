"""What differs between a table that serves and its rebuild, both at the same offsets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from mainstem.projection.rebuilding.comparison import statements
from mainstem.projection.rebuilding.comparison.statements import Column
from mainstem.projection.rebuilding.session import Session
from mainstem.projection.rebuilding.statements import qualified

KINDS: Final = ("only_old", "only_new", "different")


class Difference(NamedTuple):
    """Rows that differ in one way, with the first keys of them."""

    rows: int = 0
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableComparison:
    """What the comparison of one table came to."""

    table: str
    rows_old: int
    rows_new: int
    only_old: Difference
    only_new: Difference
    different: Difference
    columns_only_old: tuple[str, ...] = ()
    columns_only_new: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[str, Difference]:
        """The differences by their names."""
        return dict(zip(KINDS, (self.only_old, self.only_new, self.different), strict=True))

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows; columns that only one has do not count."""
        return not (self.only_old.rows or self.only_new.rows or self.different.rows)


def compare(
    session: Session, schemas: tuple[str, str], table: str, ignored: Collection[str]
) -> TableComparison:
    """Compare a table in two schemas, the old and the new one, but for ignored columns.

    The session's transaction must see a state in which both are at the same offsets. A table
    that is not there counts as empty.
    """
    old, new = Side(session, schemas[0], table), Side(session, schemas[1], table)
    names = {column.name for column in old.columns} & {column.name for column in new.columns}
    found = found_between(session, old, new, names - set(ignored))
    only_old, only_new, different = (found.get(kind, Difference()) for kind in KINDS)
    return TableComparison(
        table,
        old.rows,
        new.rows,
        only_old,
        only_new,
        different,
        columns_only_old=old.beyond(names),
        columns_only_new=new.beyond(names),
    )


class Side:
    """One of the two tables, as far as the comparison knows it."""

    def __init__(self, session: Session, schema: str, table: str) -> None:
        """Look its columns up, and count its rows."""
        self.name = qualified(schema, table)
        self.columns = [Column(*row) for row in session.ask(statements.columns_of(schema, table))]
        self.rows = int(session.ask(statements.count(self.name))[0][0]) if self.columns else 0

    @property
    def key(self) -> set[str]:
        """Names of the columns of the primary key."""
        return {column.name for column in self.columns if column.key}

    def beyond(self, names: Collection[str]) -> tuple[str, ...]:
        """Columns that are not among these."""
        return tuple(column.name for column in self.columns if column.name not in names)


def found_between(
    session: Session, old: Side, new: Side, names: Collection[str]
) -> dict[str, Difference]:
    """The differences by their kind, in these columns."""
    if not old.columns or not new.columns:
        return {"only_old": Difference(old.rows), "only_new": Difference(new.rows)}
    compared = [column for column in new.columns if column.name in names]
    keyed = old.key == new.key != set() and old.key <= set(names)
    make = statements.differences if keyed else statements.unkeyed_differences
    rows = session.ask(make(old.name, new.name, compared))
    return {kind: Difference(number, tuple(first or ())) for kind, number, first in rows}
