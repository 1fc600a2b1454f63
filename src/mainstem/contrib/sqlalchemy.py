"""SQLAlchemy: event tables as Table objects, and a rule that keeps Alembic's autogenerate off them.

A table of `event_table` is for queries and for `create_all()`, which makes the same as
`mainstem topic create`. Events are saved by a store: `store.save(…, within=session)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mainstem.errors import ConfigurationError, MissingExtra

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtra("sqlalchemy", "mainstem.contrib.sqlalchemy") from error

from sqlalchemy import event

from mainstem.postgres import naming
from mainstem.postgres.migration.script import topic_parts
from mainstem.postgres.migration.statements import (
    DATA_CHECK,
    NAME_LENGTH_MAX,
    OWN_SCHEMA,
    refuse_if_events,
)
from mainstem.postgres.options import DEFAULT_PUBLICATION, KEY_INDEXES, TopicOptions
from mainstem.postgres.statements import Statement

RESTRICT_VIOLATION: Final = "23001"

OUR_SCHEMAS: Final = frozenset({naming.EVENT_SCHEMA, OWN_SCHEMA, "schemas"})

KEY_TYPES: Final[Mapping[str, Callable[[], sa.types.TypeEngine[Any]]]] = {
    "uuid": sa.Uuid,
    "text": sa.Text,
    "bigint": sa.BigInteger,
    "integer": sa.Integer,
    "smallint": sa.SmallInteger,
    "numeric": sa.Numeric,
    "boolean": sa.Boolean,
    "bytea": sa.LargeBinary,
}


def event_table(
    metadata: sa.MetaData,
    topic: str,
    *,
    options: TopicOptions | None = None,
    publication: str = DEFAULT_PUBLICATION,
) -> sa.Table:
    """The table `events.<topic>` with exactly what creating the topic makes.

    `metadata.create_all()` creates it with its triggers, partitions and place in the publication.
    `metadata.drop_all()` drops it only while it holds no event, else ConfigurationError.
    Raises InvalidName.
    """
    options = options or TopicOptions()
    table = sa.Table(
        naming.checked(topic),
        metadata,
        *columns(options),
        *constraints(options),
        schema=naming.EVENT_SCHEMA,
        info={"mainstem": options},
        postgresql_partition_by=partitioning(options),
    )
    if indexed := KEY_INDEXES[options.index_key]:
        sa.Index(index_name(topic, indexed), *(table.c[name] for name in indexed))
    parts = topic_parts(topic, options, publication)
    event.listen(table, "before_create", run_all(parts.before))
    event.listen(table, "after_create", run_all(parts.after))
    event.listen(table, "before_drop", refuse_to_drop_events)
    return table


def index_name(topic: str, columns: Sequence[str]) -> str:
    """The name that PostgreSQL gives to an index: the longer part is cut off until it fits."""
    parts = [topic, "_".join(columns)]
    while len("_".join((*parts, "idx"))) > NAME_LENGTH_MAX:
        longer = 0 if len(parts[0]) > len(parts[1]) else 1
        parts[longer] = parts[longer][:-1]
    return "_".join((*parts, "idx"))


def columns(options: TopicOptions) -> list[sa.Column[Any]]:
    """The columns, in the order of the table."""
    found: list[sa.Column[Any]] = [
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("key", KEY_TYPES[options.key_type](), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("metadata", sa.LargeBinary),
        sa.Column(
            "timestamp",
            sa.DateTime(timezone=True),
            primary_key=options.partition_by is not None,
            nullable=False,
        ),
    ]
    if options.versioned:
        found.append(sa.Column("version", sa.BigInteger, nullable=False))
    if options.idempotent:
        found.append(sa.Column("event_id", sa.Uuid, unique=True))
    return found


def constraints(options: TopicOptions) -> list[sa.Constraint]:
    """What stands beside the columns."""
    found: list[sa.Constraint] = []
    if options.versioned:
        found.append(sa.UniqueConstraint("key", "version"))
    if options.data_bytes_max is not None:
        bound = sa.func.octet_length(sa.column("data")) <= sa.literal_column(
            str(options.data_bytes_max)
        )
        found.append(sa.CheckConstraint(bound, name=DATA_CHECK))
    return found


def partitioning(options: TopicOptions) -> str | None:
    """How PostgreSQL partitions the table; None for a plain one."""
    return None if options.partition_by is None else "RANGE (timestamp)"


def run_all(statements: list[Statement]) -> Callable[..., None]:
    """A listener that runs these statements; they have no parameters."""

    def listener(_target: sa.Table, connection: sa.Connection, **_: object) -> None:
        for statement in statements:
            connection.execute(ddl(statement.sql))

    return listener


def refuse_to_drop_events(table: sa.Table, connection: sa.Connection, **_: object) -> None:
    """A listener that lets a table be dropped only while it is empty; ConfigurationError."""
    try:
        connection.execute(ddl(refuse_if_events(table.name).sql))
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != RESTRICT_VIOLATION:
            raise
        raise ConfigurationError(
            f"events are for ever: {naming.EVENT_SCHEMA}.{table.name} holds some",
            hint="leave the table out: metadata.drop_all(engine, tables=[…]); where its events are"
            " meant to be destroyed, drop it by SQL",
        ) from error


def ddl(sql: str) -> sa.DDL:
    """A statement that SQLAlchemy sends as it stands: no colon of it is a parameter."""
    return sa.DDL(sql.replace("%", "%%"))  # type: ignore[no-untyped-call]  # SQLAlchemy's gap.


def include_object(
    thing: Any,
    _name: str | None,
    _kind: str,
    _reflected: bool,  # noqa: FBT001  # Alembic's signature.
    _compare_to: object,
) -> bool:
    """For Alembic's `context.configure(include_object=…)`: leave out what is Mainstem's."""
    table = thing if isinstance(thing, sa.Table) else getattr(thing, "table", None)
    return getattr(table, "schema", None) not in OUR_SCHEMAS


def include_name(name: str | None, kind: str, parent_names: Mapping[str, str | None]) -> bool:
    """For Alembic's `context.configure(include_name=…)`: do not even look at our schemas."""
    schema = name if kind == "schema" else parent_names.get("schema_name")
    return schema not in OUR_SCHEMAS
