"""What a verification found: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

EXAMPLES_MAX = 10
"""Differences that are named; the rest is only counted."""


class Difference(NamedTuple):
    """One event that is not as it should be: its id, its place in the topic, as far as known."""

    id: int | None
    partition: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        """`#17 at [3]@42`."""
        number = "no id" if self.id is None else f"#{self.id}"
        return number if self.offset is None else f"{number} at [{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class Differences:
    """How many events differ in one way, and the first ten of them."""

    count: int = 0
    first: tuple[Difference, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids among the first ten."""
        return tuple(each.id for each in self.first if each.id is not None)

    def plus(self, difference: Difference) -> Differences:
        """One more."""
        more = (difference,) if len(self.first) < EXAMPLES_MAX else ()
        return Differences(self.count + 1, self.first + more)


NONE = Differences()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The comparison of a table with its topic, up to a common position."""

    topic: str
    up_to_lsn: int
    """Every row that committed before this LSN was compared."""
    rows: int
    """Rows of the table that were compared."""
    records: int
    """Messages of the topic that were read."""
    missing: Differences = NONE
    """Rows that are not in the topic."""
    doubled: Differences = NONE
    """Messages whose event had come before."""
    unexpected: Differences = NONE
    """Messages that are no row of the table, or no events at all."""
    different: Differences = NONE
    """Messages whose key, data, metadata or timestamp is not the row's."""
    disordered: Differences = NONE
    """Messages before which a later one came, or outside their key's partition."""
    table_hash: str
    """Sum of the hashes of all rows compared: equal sets have equal sums, in any order."""
    topic_hash: str
    """The same sum over the messages."""
    seconds: float

    @property
    def by_kind(self) -> dict[str, Differences]:
        """The differences under the names of the fields."""
        return {
            "missing": self.missing,
            "doubled": self.doubled,
            "unexpected": self.unexpected,
            "different": self.different,
            "disordered": self.disordered,
        }

    @property
    def holds(self) -> bool:
        """Whether every row is in the topic exactly once, unchanged and in order."""
        same = self.rows == self.records and self.table_hash == self.topic_hash
        return same and not any(found.count for found in self.by_kind.values())
