"""Every statement about schema objects, as a value.

Those that make something hold no `%` and no parameter, so each can be run by any driver, or
printed for a person who runs it.
"""

from __future__ import annotations

from typing import Final

from mainstem.errors import InvalidName
from mainstem.postgres import naming
from mainstem.postgres.migration.months import Month
from mainstem.postgres.options import KEY_INDEXES, TopicOptions
from mainstem.postgres.statements import Statement

OWN_SCHEMA: Final = "_mainstem"
"""What is ours and no event: the record of migrations, and functions of triggers."""

TRIGGER: Final = "append_only"
DATA_CHECK: Final = "data_bytes_max"

PARTITION_SUFFIX_LENGTH: Final = len("_2026_01")
NAME_LENGTH_MAX: Final = 63

# Two creators at once would trip over each other in CREATE SCHEMA and in the publication.
# DO and not SELECT, for psql would print the row of a script's SELECT.
CREATION_LOCK: Final = Statement(
    "DO $mainstem$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(7883957270161327437); END"
    " $mainstem$",
    answers=False,
)

MIGRATION_LOCK: Final = Statement(
    "DO $mainstem$ BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(7883957270161327440); END"
    " $mainstem$",
    answers=False,
)

# A trigger lets nobody write while it is made; whoever waits for it makes all others wait.
LOCK_TIMEOUT: Final = Statement("SET LOCAL lock_timeout = '5s'", answers=False)

RECORDS_EXIST: Final = Statement(
    f"SELECT pg_catalog.to_regclass('{OWN_SCHEMA}.migrations') IS NOT NULL"
)

CREATE_RECORDS: Final = (
    Statement(
        f"""
DO $mainstem$
BEGIN
    IF to_regnamespace('{OWN_SCHEMA}') IS NULL THEN
        CREATE SCHEMA {OWN_SCHEMA};
    END IF;
END
$mainstem$""",
        answers=False,
    ),
    Statement(
        f"""
CREATE TABLE IF NOT EXISTS {OWN_SCHEMA}.migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)""",
        answers=False,
    ),
)

RECORDS: Final = Statement(
    f"SELECT name::text, checksum::text FROM {OWN_SCHEMA}.migrations ORDER BY name"
)

THIS_MONTH: Final = Statement(
    "SELECT extract(year FROM now() AT TIME ZONE 'UTC')::integer,"
    " extract(month FROM now() AT TIME ZONE 'UTC')::integer"
)


PARTITIONS: Final = f"""
SELECT c.relname::text
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
WHERE n.nspname = '{naming.EVENT_SCHEMA}' AND p.relname = $1 AND NOT i.inhdetachpending"""

HAS_TRIGGER: Final = f"""
SELECT 1 FROM pg_catalog.pg_trigger WHERE tgrelid = $1::oid AND tgname = '{TRIGGER}'"""


UNPROTECTED: Final = f"""
SELECT c.relname::text FROM pg_catalog.pg_class c
WHERE c.oid IN (
        SELECT $1::oid
        UNION SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = $2::oid
    )
  AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid AND tgname = '{TRIGGER}'
    )
ORDER BY 1"""


def unprotected(table_oid: int) -> Statement:
    """The names of those of a table and its partitions that can be changed."""
    return Statement(UNPROTECTED, (table_oid, table_oid))


def partitions(topic: str) -> Statement:
    """The names of the table's partitions."""
    return Statement(PARTITIONS, (naming.checked(topic),))


def has_trigger(table_oid: int) -> Statement:
    """One row if the table refuses to be changed."""
    return Statement(HAS_TRIGGER, (table_oid,))


def record(name: str, checksum: str) -> Statement:
    """Note that a migration was applied; nothing if that is noted already."""
    assert name.isidentifier() or name.replace("_", "").isalnum(), name
    assert checksum.isalnum(), checksum
    return Statement(
        f"INSERT INTO {OWN_SCHEMA}.migrations (name, checksum)"
        f" VALUES ('{name}', '{checksum}') ON CONFLICT (name) DO NOTHING",
        answers=False,
    )


def create_table(topic: str, options: TopicOptions) -> Statement:
    """The event table exactly as the formats of the design have it, and what was asked for."""
    lines = [
        "id bigserial PRIMARY KEY" if options.partition_by is None else "id bigserial",
        f"key {options.key_type} NOT NULL",
        "data bytea NOT NULL",
        "metadata bytea",
        "timestamp timestamptz NOT NULL",
    ]
    if options.versioned:
        lines += ["version bigint NOT NULL", "UNIQUE (key, version)"]
    if options.idempotent:
        lines.append("event_id uuid UNIQUE")
    if options.partition_by is not None:
        lines.append("PRIMARY KEY (id, timestamp)")
    if options.data_bytes_max is not None:
        bound = f"octet_length(data) <= {options.data_bytes_max:d}"
        lines.append(f"CONSTRAINT {DATA_CHECK} CHECK ({bound})")
    body = ",\n    ".join(lines)
    partitioning = " PARTITION BY RANGE (timestamp)" if options.partition_by is not None else ""
    return Statement(
        f"CREATE TABLE {naming.table(topic)} (\n    {body}\n){partitioning}", answers=False
    )


def create_indexes(topic: str, options: TopicOptions) -> list[Statement]:
    """The index over the keys that was asked for."""
    columns = KEY_INDEXES[options.index_key]
    if not columns:
        return []
    sql = f"CREATE INDEX ON {naming.table(topic)} ({', '.join(columns)})"
    return [Statement(sql, answers=False)]


def forbid_changes(table: str) -> Statement:
    """Let the table, quoted, refuse UPDATE, DELETE and TRUNCATE."""
    return Statement(
        f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}\n"
        f"FOR EACH STATEMENT EXECUTE FUNCTION {OWN_SCHEMA}.refuse_change()",
        answers=False,
    )


def forbid_all_changes(topic: str) -> Statement:
    """Let a topic's table and its partitions refuse changes, those that do not do so yet."""
    return Statement(
        f"""
DO $mainstem$
DECLARE
    part regclass;
BEGIN
    FOR part IN
        SELECT c.oid FROM pg_class c
        WHERE c.oid IN (
                SELECT '{naming.table(topic)}'::regclass
                UNION SELECT inhrelid FROM pg_inherits
                WHERE inhparent = '{naming.table(topic)}'::regclass
            )
          AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = '{TRIGGER}')
        ORDER BY c.oid
    LOOP
        EXECUTE 'CREATE TRIGGER {TRIGGER} BEFORE UPDATE OR DELETE OR TRUNCATE ON ' || part
            || ' FOR EACH STATEMENT EXECUTE FUNCTION {OWN_SCHEMA}.refuse_change()';
    END LOOP;
END
$mainstem$""",
        answers=False,
    )


def partition(topic: str, month: Month) -> str:
    """The quoted table of a month: `"events"."order_events_2026_01"`.

    InvalidName where PostgreSQL would cut it off.
    """
    length_max = NAME_LENGTH_MAX - PARTITION_SUFFIX_LENGTH
    if len(naming.checked(topic)) > length_max:
        raise InvalidName(
            f"{topic!r} is too long for a partitioned topic",
            hint=f"use at most {length_max} letters, for the month is added to it",
        )
    return naming.table(f"{topic}_{month.text.replace('-', '_')}")


def add_partition(topic: str, month: Month, *, append_only: bool) -> list[Statement]:
    """Make the empty partition of a month.

    It is attached, not created in place: that would wait for every writer of the topic, and let
    all others wait behind. It belongs to the topic's owner, whoever makes it.
    """
    table = partition(topic, month)
    created = Statement(
        f"CREATE TABLE {table} (LIKE {naming.table(topic)}"
        " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)",
        answers=False,
    )
    owned = Statement(
        f"""
DO $mainstem$
BEGIN
    EXECUTE 'ALTER TABLE {table} OWNER TO ' || (
        SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
        WHERE oid = '{naming.table(topic)}'::regclass
    );
END
$mainstem$""",
        answers=False,
    )
    attached = Statement(
        f"ALTER TABLE {naming.table(topic)} ATTACH PARTITION {table}\n"
        f"FOR VALUES FROM ('{month.start}') TO ('{month.end}')",
        answers=False,
    )
    guard = [forbid_changes(table)] if append_only else []
    return [created, *guard, owned, attached]


def join_publication(topic: str, publication: str) -> Statement:
    """Let the new table join the replicator's publication, if there is one.

    The stream itself is told, in the transaction that made the table, so that it is empty.
    """
    quoted = naming.identifier(publication, "publication")
    return Statement(
        f"""
DO $mainstem$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = '{publication}') THEN
        -- A publication of all tables or of the schema holds it already.
        IF NOT EXISTS (
            SELECT FROM pg_publication_tables
            WHERE pubname = '{publication}'
              AND schemaname = '{naming.EVENT_SCHEMA}' AND tablename = '{topic}'
        ) THEN
            ALTER PUBLICATION {quoted} ADD TABLE {naming.table(topic)};
        END IF;
        PERFORM pg_logical_emit_message(
            true, 'mainstem', 'join ' || '{naming.table(topic)}'::regclass::oid || ' {topic}'
        );
    END IF;
END
$mainstem$""",
        answers=False,
    )


def refuse_if_events(topic: str) -> Statement:
    """Fail while the topic holds an event, and keep others out until the transaction ends."""
    return Statement(only_if_empty(topic, ""), answers=False)


def drop_table(topic: str, *, with_events: bool) -> Statement:
    """Drop the topic's table; unless told otherwise only while it holds no event."""
    drop = f"DROP TABLE {naming.table(topic)}"
    # One statement, so that nothing comes between where each is a transaction of its own.
    sql = drop if with_events else only_if_empty(topic, f"\n    {drop};")
    return Statement(sql, answers=False)


def only_if_empty(topic: str, then: str) -> str:
    """A block that fails if the topic holds events, and goes on otherwise."""
    table = naming.table(topic)
    return f"""
DO $mainstem$
BEGIN
    LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM {table}) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            MESSAGE = 'events are for ever: {naming.EVENT_SCHEMA}.{topic} holds some',
            HINT = 'say with_events=True where they are meant to be destroyed';
    END IF;{then}
END
$mainstem$"""
