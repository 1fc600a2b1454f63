"""A follower's ordinary connection: it looks, and never writes."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from mainstem.event import Position
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import run
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.following import statements
from mainstem.postgres.naming import checked
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Statement
from mainstem.postgres.table import EventTable, shape_problem
from mainstem.postgres.topics import inspect_topic
from mainstem.refusals import refusal
from mainstem.wal.slots import slots_holding

PERMANENT: Final = "p"


class Membership(NamedTuple):
    """How the publication holds the topic's table; it differs once anything of it was redone."""

    identity: str
    sound: bool
    """Inserts of whole rows and nothing else."""
    through_roots: bool
    """Changes of partitions count as those of the topic's table."""
    covered: bool
    table_oid: int | None
    age_xids: int
    """How many transactions ago it became so."""


class Session:
    """One connection; threads may share it."""

    def __init__(self, dsn: str, topic: str, publication: str) -> None:
        """Connect; ServerUnavailable where the server is away."""
        self._topic = checked(topic)
        self._publication = checked(publication, "publication")
        self._dsn = dsn
        self.connection = connect(dsn)
        self.ask(statements.NEVER_IDLE_TOO_LONG)

    def renew(self) -> None:
        """Connect again, after the connection was lost."""
        self.connection.close()
        self.connection = connect(self._dsn)
        self.ask(statements.NEVER_IDLE_TOO_LONG)

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """The rows that a statement answers."""
        return run(self.connection, asking(statement))

    def table(self) -> EventTable:
        """The topic's table; UnknownTopic without one, a Refusal where it cannot be followed."""
        table = inspect_topic(self.connection, self._topic)
        problem = shape_problem(table)
        if problem is not None:
            raise refusal("table-shape", f"events.{self._topic}: {problem}")
        if table.persistence != PERMANENT:
            raise refusal("table-unlogged", f"events.{self._topic} is unlogged or temporary")
        silent = self.ask(statements.unpublished_partitions(table.oid))
        if silent:
            raise refusal("partition-unpublished", f"{silent[0][0]} is unlogged or foreign")
        return table

    def membership(self) -> Membership | None:
        """How the topic's changes are published; None without the publication."""
        rows = self.ask(statements.membership(self._publication, self._topic))
        return Membership(*rows[0]) if rows else None

    def sound_membership(self) -> Membership:
        """As `membership`; a Refusal where not every event would come."""
        held = self.membership()
        if held is None or not held.covered:
            if self.ask(statements.WAL_LEVEL)[0][0] != "logical":
                raise refusal("wal-level", "the server's wal_level is not logical")
            raise refusal("topic-not-published", self._unpublished(exists=held is not None))
        said = f"{self._publication} does not publish exactly the inserts of events.{self._topic}"
        if not held.through_roots:
            command = statements.through_roots(self._publication)
            raise refusal("publication-altered", f"{said}; its owner could run: {command}")
        if not held.sound:
            raise refusal("publication-altered", said)
        return held

    def _unpublished(self, *, exists: bool) -> str:
        """Say what is missing, and the command that would do without a replicator."""
        said = f"the publication {self._publication} does not hold events.{self._topic}"
        if not exists:
            said = f"there is no publication {self._publication}"
        command = statements.publishing(self._publication, self._topic, exists=exists)
        return f"{said}; its owner could run: {command}"

    def holders(self, position: Position) -> list[str]:
        """Slots that still hold the position; Refusal `position-not-held` where none does."""
        with mapped():
            names = slots_holding(self.connection, position.lsn)
        if not self.ask(statements.reached(position.lsn))[0][0]:
            raise refusal("position-not-held", f"this server's WAL ends before {position}")
        return names

    def held_bytes(self, slot: str) -> int:
        """How much WAL the slot holds back."""
        rows = self.ask(statements.held_bytes(slot))
        return int(rows[0][0] or 0) if rows else 0

    def check_age(self, xid: int) -> None:
        """The table was public, without a break, since before this transaction began."""
        if self.sound_membership().age_xids < int(self.ask(statements.xid_age(xid))[0][0]):
            raise refusal(
                "position-not-held",
                f"the publication {self._publication} took events.{self._topic} in, or was"
                f" altered, after that position",
            )

    def cut(self, backend_pid: int) -> None:
        """End the session of this process on the server."""
        self.ask(statements.cut(backend_pid))

    def close(self) -> None:
        """Close it; twice is fine."""
        self.connection.close()

    def __enter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def asking(statement: Statement) -> Plan[list[tuple[Any, ...]]]:
    """The plan of one statement."""
    rows: list[tuple[Any, ...]] = yield statement
    return rows
