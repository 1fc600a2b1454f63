"""Every statement of a rebuild, as a value: its shadow tables, and the swap.

Names are put in double quotes by `naming.identifier`, which refuses whatever is no plain name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainstem.postgres.naming import identifier
from mainstem.postgres.statements import Statement

RETIRED_TOPIC: Final = "retired"
"""In place of a topic's id: no topic has this one."""


def qualified(schema: str, table: str) -> str:
    """`"schema"."table"`."""
    return f"{identifier(schema, 'schema')}.{identifier(table)}"


def be_alone(name: str) -> Statement:
    """Be the only rebuild of this name until the connection ends; waits for another one."""
    return Statement(
        "SELECT pg_catalog.pg_advisory_lock("
        "pg_catalog.hashtextextended('mainstem rebuild ' || $1::text, 0))",
        (name,),
    )


def wait_at_most(lock_timeout_ms: int) -> Statement:
    """Bound the waiting for each lock of this transaction."""
    value = f"{lock_timeout_ms}ms"
    return Statement("SELECT pg_catalog.set_config('lock_timeout', $1::text, true)", (value,))


def mark_of(schema: str) -> Statement:
    """The comment of the schema; no row where there is no such schema."""
    return Statement(
        """
        SELECT pg_catalog.obj_description(oid, 'pg_namespace')
        FROM pg_catalog.pg_namespace WHERE nspname = $1::text
        """,
        (schema,),
    )


def create_schema(schema: str) -> Statement:
    """A schema of our own."""
    return Statement(f"CREATE SCHEMA {identifier(schema, 'schema')}", answers=False)


def mark_schema(schema: str, mark: str) -> Statement:
    """Write down whose schema it is, and of what state of the code."""
    assert "'" not in mark, "marks are made of names and digits"
    named = identifier(schema, "schema")
    return Statement(f"COMMENT ON SCHEMA {named} IS '{mark}'", answers=False)


def drop_shadow(schema: str) -> Statement:
    """Drop a schema of ours that nobody was ever told of, with all that is in it."""
    return Statement(f"DROP SCHEMA {identifier(schema, 'schema')} CASCADE", answers=False)


def drop_tables(schema: str, tables: Sequence[str]) -> Statement:
    """Drop replaced tables; refused by PostgreSQL where something came to depend on them."""
    names = ", ".join(qualified(schema, table) for table in tables)
    return Statement(f"DROP TABLE {names}", answers=False)


def drop_empty(schema: str) -> Statement:
    """Drop a schema that holds nothing any more."""
    return Statement(f"DROP SCHEMA {identifier(schema, 'schema')}", answers=False)


def create_like(shadow: str, schema: str, table: str) -> Statement:
    """An empty table that is like the one that serves."""
    return Statement(
        f"CREATE TABLE {qualified(shadow, table)} (LIKE {qualified(schema, table)} INCLUDING ALL)",
        answers=False,
    )


def search_first(schema: str) -> Statement:
    """Let names without a schema mean those of this one first, in this transaction."""
    path = f"{identifier(schema, 'schema')}, public"
    return Statement("SELECT pg_catalog.set_config('search_path', $1::text, true)", (path,))


def lock_tables(names: Sequence[str]) -> Statement:
    """Let nobody use these tables, given by their quoted names, until the transaction ends."""
    return Statement(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE", answers=False)


def move_table(schema: str, table: str, to: str) -> Statement:
    """Put a table into another schema, with its indexes, constraints and own sequences."""
    return Statement(
        f"ALTER TABLE {qualified(schema, table)} SET SCHEMA {identifier(to, 'schema')}",
        answers=False,
    )


def autovacuum(schema: str, table: str, *, enabled: bool) -> Statement:
    """Whether the server vacuums the table on its own."""
    how = "RESET (autovacuum_enabled)" if enabled else "SET (autovacuum_enabled = false)"
    return Statement(f"ALTER TABLE {qualified(schema, table)} {how}", answers=False)


def vacuum(schema: str, table: str) -> Statement:
    """Leave the table as autovacuum would after a while; outside of transactions."""
    return Statement(f"VACUUM (ANALYZE) {qualified(schema, table)}", answers=False)


def offsets_of(group: str, *, lock: bool = False) -> Statement:
    """Topic, partition, topic id and offset of a group; locked, nobody moves them meanwhile."""
    return Statement(
        f"""
        SELECT topic, "partition", topic_id, "offset", events
        FROM _mainstem.projection_offsets WHERE "group" = $1::text
        ORDER BY topic, "partition" {"FOR UPDATE" if lock else ""}
        """,
        (group,),
    )


def original_offsets_of(table: str, topics: Sequence[str], *, lock: bool = False) -> Statement:
    """As `offsets_of`, from a table of the Java original's form."""
    return Statement(
        f"""
        SELECT topic, "partition", NULL::text, "offset", 0::bigint
        FROM {table} WHERE topic = ANY ($1::text[])
        ORDER BY topic, "partition" {"FOR UPDATE" if lock else ""}
        """,
        (list(topics),),
    )


def begin_at(
    group: str, topic: str, topic_id: str, offsets: Sequence[tuple[int, int]]
) -> Statement:
    """Begin partitions of a shadow: each with the offset that counts as the last one done."""
    return Statement(
        """
        INSERT INTO _mainstem.projection_offsets ("group", topic, topic_id, "partition", "offset")
        SELECT $1::text, $2::text, $3::text, n."partition", n."offset"
        FROM unnest($4::integer[], $5::bigint[]) AS n ("partition", "offset")
        ON CONFLICT DO NOTHING
        """,
        (group, topic, topic_id, [each[0] for each in offsets], [each[1] for each in offsets]),
        answers=False,
    )


def forget(group: str) -> tuple[Statement, ...]:
    """Remove all that is known of a shadow's group."""
    tables = ("projection_offsets", "projection_halts", "dead_letters", "projections")
    return tuple(
        Statement(
            f'DELETE FROM _mainstem.{table} WHERE "group" = $1::text', (group,), answers=False
        )
        for table in tables
    )


def discarded_of(group: str) -> Statement:
    """The places of events that an operator has discarded."""
    return Statement(
        """
        SELECT topic, "partition", "offset" FROM _mainstem.dead_letters
        WHERE "group" = $1::text AND state = 'discarded'
        """,
        (group,),
    )


def settle(group: str, key: bytes) -> tuple[Statement, ...]:
    """Remove the dead letters of a key whose events are all applied; what is discarded stays."""
    return (
        Statement(
            """
            DELETE FROM _mainstem.dead_letters
            WHERE "group" = $1::text AND key = $2::bytea AND state <> 'discarded'
            """,
            (group, key),
            answers=False,
        ),
    )


def take_over(shadow: str, serving: str) -> tuple[Statement, ...]:
    """Let the serving group be where the shadow is, with the shadow's dead letters.

    What was discarded stays so.
    """
    return (
        Statement(
            'DELETE FROM _mainstem.projection_offsets WHERE "group" = $1::text',
            (serving,),
            answers=False,
        ),
        Statement(
            """
            UPDATE _mainstem.projection_offsets
            SET "group" = $1::text, updated_at = pg_catalog.now() WHERE "group" = $2::text
            """,
            (serving, shadow),
            answers=False,
        ),
        Statement(
            'DELETE FROM _mainstem.projection_halts WHERE "group" = $1::text',
            (serving,),
            answers=False,
        ),
        Statement(
            """
            DELETE FROM _mainstem.dead_letters
            WHERE "group" = $1::text AND state <> 'discarded'
            """,
            (serving,),
            answers=False,
        ),
        Statement(
            """
            UPDATE _mainstem.dead_letters s SET "group" = $1::text
            WHERE s."group" = $2::text
              AND NOT EXISTS (SELECT FROM _mainstem.dead_letters d
                              WHERE d."group" = $3::text AND d.topic = s.topic
                                AND d."partition" = s."partition" AND d."offset" = s."offset")
            """,
            (serving, shadow, serving),
            answers=False,
        ),
    )


def take_original_offsets(table: str, shadow: str) -> tuple[Statement, ...]:
    """Write the shadow's offsets into a table of the Java original's form."""
    return (
        Statement(
            f"""
            UPDATE {table} o SET "offset" = s."offset"
            FROM _mainstem.projection_offsets s
            WHERE s."group" = $1::text AND s.topic = o.topic AND s."partition" = o."partition"
            """,
            (shadow,),
            answers=False,
        ),
        Statement(
            f"""
            INSERT INTO {table} (topic, "partition", "offset")
            SELECT topic, "partition", "offset" FROM _mainstem.projection_offsets
            WHERE "group" = $1::text
            ON CONFLICT DO NOTHING
            """,
            (shadow,),
            answers=False,
        ),
    )


def versions_of(name: str) -> Statement:
    """Group, schema and tables of each version of a projection that serves."""
    return Statement(
        """
        SELECT "group", version, schema, tables FROM _mainstem.projections
        WHERE name = $1::text AND state = 'serving' ORDER BY version
        """,
        (name,),
    )


class Entry(NamedTuple):
    """What is written down of a group."""

    group: str
    name: str
    version: int
    state: str
    schema: str
    topics: Sequence[str]
    tables: Sequence[str]


def note(entry: Entry) -> Statement:
    """Write down a group with its state."""
    return Statement(
        """
        INSERT INTO _mainstem.projections ("group", name, version, state, schema, topics, tables)
        VALUES ($1::text, $2::text, $3::integer, $4::text, $5::text, $6::text[], $7::text[])
        ON CONFLICT ("group") DO UPDATE
        SET state = excluded.state, schema = excluded.schema, topics = excluded.topics,
            tables = excluded.tables, updated_at = pg_catalog.now()
        """,
        (*entry[:5], list(entry.topics), list(entry.tables)),
        answers=False,
    )


def retire(group: str, shadow: str) -> tuple[Statement, ...]:
    """Take a version out of service: its projector's next transaction fails.

    Its offsets are left where they are, but of a topic that does not exist; those of partitions
    that it never had at hand are made, too. Were they deleted, a projector that just takes up
    partitions would begin them anew.
    """
    return (
        Statement(
            """
            UPDATE _mainstem.projections SET state = 'retired', updated_at = pg_catalog.now()
            WHERE "group" = $1::text
            """,
            (group,),
            answers=False,
        ),
        Statement(
            """
            UPDATE _mainstem.projection_offsets SET topic_id = $1::text WHERE "group" = $2::text
            """,
            (RETIRED_TOPIC, group),
            answers=False,
        ),
        Statement(
            """
            INSERT INTO _mainstem.projection_offsets ("group", topic, topic_id, "partition")
            SELECT $1::text, topic, $2::text, "partition"
            FROM _mainstem.projection_offsets WHERE "group" = $3::text
            ON CONFLICT ("group", topic, "partition") DO UPDATE SET topic_id = excluded.topic_id
            """,
            (group, RETIRED_TOPIC, shadow),
            answers=False,
        ),
    )
