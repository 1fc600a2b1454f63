"""EventTable: what the catalog says about a topic's table, and whether events fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mainstem.errors import UnknownTopic
from mainstem.postgres import naming, statements
from mainstem.postgres.keys import KEY_TYPES_BY_OID
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Target

BIGINT, INTEGER, BYTEA, TIMESTAMPTZ, UUID = 20, 23, 17, 1184, 2950
PLAIN, PARTITIONED = "r", "p"

ALLOWED_TYPES = {
    "id": {BIGINT, INTEGER},
    "key": set(KEY_TYPES_BY_OID),
    "data": {BYTEA},
    "metadata": {BYTEA},
    "timestamp": {TIMESTAMPTZ},
}
OPTIONAL_COLUMNS = {"metadata"}
FILLED = {"key", "data", "timestamp"}
"""What each save gives a value."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalog has it."""

    name: str
    type_oid: int
    type_name: str
    """As PostgreSQL prints it, with its modifier: `numeric(12,2)`."""
    type_modifier: int
    not_null: bool
    has_default: bool
    """A default, or an identity."""


@dataclass(frozen=True, slots=True)
class EventTable:
    """A topic's table at the moment of the look-up."""

    topic: str
    oid: int
    kind: str
    """pg_class.relkind: `r` a plain table, `p` a partitioned one."""
    persistence: str
    """pg_class.relpersistence: `p` permanent, `u` unlogged, `t` temporary."""
    columns: tuple[Column, ...]
    id_cache: int | None
    """CACHE of the sequence that `id` is drawn from; None without a sequence."""
    filtered: bool = False
    """Whether a trigger for each row or a rule of the table may take rows away on INSERT."""
    version_guarded: bool = True
    """Whether a unique index over exactly `key` and `version` forbids a version to come twice."""
    event_id_guarded: bool = True
    """Whether a unique index over exactly `event_id` forbids an id to come twice."""
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    plain: bool = field(init=False, repr=False, compare=False)
    """Whether an INSERT says everything: nothing is numbered, and nothing can take a row away."""
    target: Target = field(init=False, repr=False, compare=False)
    """The table as statements name it."""

    def __post_init__(self) -> None:
        """Work out once what each save asks for."""
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        object.__setattr__(self, "plain", not (self.versioned or self.filtered))
        object.__setattr__(self, "target", self._target())

    def _target(self) -> Target:
        return Target(
            naming.table(self.topic),
            self.key_type if self.column("key") else "",
            self.oid,
            self.versioned,
            self.idempotent,
            self.has_metadata,
        )

    def column(self, name: str) -> Column | None:
        """The column of this name, if there is one."""
        return self._by_name.get(name)

    @property
    def key_type(self) -> str:
        """The key column's type as a name of KEY_TYPES, or as PostgreSQL prints it."""
        column = self.column("key")
        assert column is not None, "ask shape_problem first"
        known = KEY_TYPES_BY_OID.get(column.type_oid)
        return known.name if known else column.type_name

    @property
    def has_metadata(self) -> bool:
        """Whether events of this table can carry metadata."""
        return self.column("metadata") is not None

    @property
    def versioned(self) -> bool:
        """Whether the events of each key are numbered, from 1.

        A column that is only called so is its owner's: it is left alone.
        """
        column = self.column("version")
        ours = column is not None and column.type_oid == BIGINT and column.not_null
        return ours and self.version_guarded

    @property
    def idempotent(self) -> bool:
        """Whether events can carry an id of the caller's, which is saved once.

        A column that is only called so is its owner's, as with `version`.
        """
        column = self.column("event_id")
        return column is not None and column.type_oid == UUID and self.event_id_guarded


def inspection(topic: str) -> Plan[EventTable]:
    """Look the table up in the catalog; UnknownTopic if it is not there."""
    table = event_table(topic, (yield statements.inspect(topic)))
    if table is None:
        raise UnknownTopic(f"there is no table events.{topic}")
    return table


def event_table(topic: str, rows: Sequence[Sequence[Any]]) -> EventTable | None:
    """The table from the answer to `statements.inspect`; None if there is none."""
    if not rows:
        return None
    oid, kind, persistence = rows[0][:3]
    caches = {row[3]: row[9] for row in rows}
    columns = tuple(Column(*row[3:9]) for row in rows)
    filtered, version_guarded, event_id_guarded = rows[0][10:]
    return EventTable(
        topic,
        oid,
        kind,
        persistence,
        columns,
        caches.get("id"),
        filtered,
        version_guarded,
        event_id_guarded,
    )


def shape_problem(table: EventTable) -> str | None:
    """What keeps the table from holding events, in words; None if nothing does."""
    if table.kind not in (PLAIN, PARTITIONED):
        return "it is no table"
    for name, oids in ALLOWED_TYPES.items():
        column = table.column(name)
        if column is None and name not in OPTIONAL_COLUMNS:
            return f"it has no column {name!r}"
        if column is not None and column.type_oid not in oids:
            return f"its column {name!r} is of type {column.type_name}"
    filled = FILLED | {"version"} if table.versioned else FILLED
    for column in table.columns:
        if column.not_null and not (column.name in filled or column.has_default):
            return f"its column {column.name!r} is NOT NULL without a default"
    return None
