"""The projection as a process of its own, what it has done so far, and its table's check."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from mainstem.demo import statements
from mainstem.demo.process import ServiceProcess
from mainstem.demo.read_model import TOPIC_VARIABLE, group_name
from mainstem.demo.revenue import Cell, Sum
from mainstem.demo.settings import Place
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.statements import Statement

APPLICATION = "mainstem-demo-projection"
CLASS = "mainstem.demo.read_model:RevenueByCountryAndMonth"
LOG_NAME = "demo-projection.log"
INSTANCE = "demo"
"""Known again after a kill: the group need not wait until the killed member is given up."""


class ProjectorProcess(ServiceProcess):
    """`mainstem project` for the demo's projection."""

    def __init__(self, place: Place) -> None:
        """Start nothing yet."""
        # libpq tells the name to the server, by which its transactions are known from others.
        named = {TOPIC_VARIABLE: place.topic, "PGAPPNAME": APPLICATION}
        arguments = ("project", CLASS, "--instance", INSTANCE)
        log = place.log.with_name(LOG_NAME)
        super().__init__("projection", arguments, place, log, named)
        self._group = group(place)

    def works(self) -> bool:
        """Whether partitions were given to it."""
        with ProjectionWatch(self._place) as watch:
            return watch.begun()


class Tables(NamedTuple):
    """The projection's table, and what it must be equal to."""

    projected: dict[Cell, Sum]
    expected: dict[Cell, Sum]
    """From the bytes of the event table, by SQL."""


class ProjectionWatch:
    """Looks at the projection's offsets and transactions; for one thread at a time."""

    def __init__(self, place: Place) -> None:
        """Connect at the first question."""
        self._place = place
        self._session = Session(place.database_url)

    def __enter__(self) -> Self:
        """The watch itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._session.close()

    def begun(self) -> bool:
        """Whether it has offsets: a member was given partitions."""
        return bool(self._rows(statements.applied(group(self._place)))[0][1])

    def applied(self) -> int:
        """How many events are in its table."""
        return int(self._rows(statements.applied(group(self._place)))[0][0])

    def transaction(self) -> str | None:
        """The id of the transaction in which it has written and not committed, if there is one."""
        rows = self._rows(statements.open_transaction(APPLICATION))
        return str(rows[0][0]) if rows else None

    def outcome(self, transaction: str) -> str:
        """`in progress`, `committed` or `aborted`."""
        return str(self._rows(statements.outcome(transaction))[0][0])

    def tables(self) -> Tables:
        """Both tables as they are now; the projection must have ended."""
        self._session.ask(statements.NUMBER_FUNCTION)
        expected = self._rows(statements.event_table_revenue(self._place.topic))
        return Tables(cells(self._rows(statements.PROJECTED_REVENUE)), cells(expected))

    def _rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        return list(self._session.ask(statement))


def group(place: Place) -> str:
    """The consumer group, by which its offsets are kept."""
    return f"{group_name(place.topic)}.v1"


def cells(rows: list[tuple[Any, ...]]) -> dict[Cell, Sum]:
    """Rows of country, month, revenue and count, by their key."""
    return {Cell(country, month): Sum(revenue, count) for country, month, revenue, count in rows}
