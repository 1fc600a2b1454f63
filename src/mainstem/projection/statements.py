"""Every statement about the offsets of projections, as a value.

An offset is the last one that is done with, -1 before the first: what the Java original keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.event import format_lsn
from mainstem.postgres.statements import Statement
from mainstem.projection.batch import Move

PRESENT = Statement("SELECT pg_catalog.to_regclass('_mainstem.projection_offsets') IS NOT NULL")

FURNISHING_LOCK = Statement(
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('mainstem furnishing', 0))"
)

IDENTITY = Statement(
    "SELECT pg_catalog.current_database()::text, system_identifier::text"
    " FROM pg_catalog.pg_control_system()"
)


IDLE_IN_TRANSACTION_MAX = "60s"
"""A member that is frozen in its transaction holds the lock on its offsets no longer than that."""


def set_up(schema: str) -> Statement:
    """Let names without a schema mean those of this one first, for the whole session."""
    path = f'"{schema}", public' if schema != "public" else "public"
    return Statement(
        "SELECT pg_catalog.set_config('search_path', $1::text, false),"
        " pg_catalog.set_config('idle_in_transaction_session_timeout', $2::text, false)",
        (path, IDLE_IN_TRANSACTION_MAX),
    )


def register(
    group: str, identity: tuple[str, int], schema: str, names: tuple[Sequence[str], Sequence[str]]
) -> Statement:
    """Note that there is such a projection; its state, as it is afterwards."""
    name, version = identity
    topics, tables = names
    return Statement(
        """
        INSERT INTO _mainstem.projections ("group", name, version, schema, topics, tables)
        VALUES ($1::text, $2::text, $3::integer, $4::text, $5::text[], $6::text[])
        ON CONFLICT ("group") DO UPDATE
        SET schema = excluded.schema, topics = excluded.topics, tables = excluded.tables,
            updated_at = pg_catalog.now()
        RETURNING state
        """,
        (group, name, version, schema, list(topics), list(tables)),
    )


def sharing(group: str, name: str, schema: str, tables: Sequence[str]) -> Statement:
    """Other versions of a projection that serve one of these tables."""
    return Statement(
        """
        SELECT "group" FROM _mainstem.projections
        WHERE "group" <> $1::text AND name = $2::text AND schema = $3::text
          AND tables && $4::text[] AND state = 'serving'
        ORDER BY version
        """,
        (group, name, schema, list(tables)),
    )


def state_of(group: str) -> Statement:
    """The state of a projection."""
    return Statement('SELECT state FROM _mainstem.projections WHERE "group" = $1::text', (group,))


def begin_offsets(group: str, topic: str, topic_id: str, partitions: Sequence[int]) -> Statement:
    """Begin partitions that have no offset yet."""
    return Statement(
        """
        INSERT INTO _mainstem.projection_offsets ("group", topic, topic_id, "partition")
        SELECT $1::text, $2::text, $3::text, n FROM unnest($4::integer[]) n
        ON CONFLICT DO NOTHING
        """,
        (group, topic, topic_id, list(partitions)),
        answers=False,
    )


def offsets(group: str, topic: str, partitions: Sequence[int]) -> Statement:
    """Partition, topic id, offset, and the position of the last event where it is known."""
    return Statement(
        """
        SELECT "partition", topic_id, "offset", lsn::text, ordinal
        FROM _mainstem.projection_offsets
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = ANY ($3::integer[])
        """,
        (group, topic, list(partitions)),
    )


def advance(group: str, moves: Sequence[Move]) -> Statement:
    """Move offsets, each only from where it is expected to be; a row for each that moved."""
    return Statement(
        """
        UPDATE _mainstem.projection_offsets o
        SET "offset" = n.reached, events = o.events + n.events,
            lsn = COALESCE(n.lsn::pg_lsn, o.lsn), ordinal = COALESCE(n.ordinal, o.ordinal),
            updated_at = pg_catalog.now()
        FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[], $5::bigint[],
                    $6::text[], $7::bigint[], $8::bigint[])
            AS n (topic, "partition", topic_id, expected, reached, lsn, ordinal, events)
        WHERE o."group" = $9::text AND o.topic = n.topic AND o."partition" = n."partition"
          AND o.topic_id = n.topic_id AND o."offset" = n.expected
        RETURNING o.topic, o."partition"
        """,
        (
            [move.topic for move in moves],
            [move.partition for move in moves],
            [move.topic_id for move in moves],
            [move.expected for move in moves],
            [move.reached for move in moves],
            [format_lsn(move.position.lsn) if move.position else None for move in moves],
            [move.position.ordinal if move.position else None for move in moves],
            [move.events for move in moves],
            group,
        ),
    )


def begin_original_offsets(table: str, topic: str, partitions: Sequence[int]) -> Statement:
    """Begin partitions in a table of the Java original's form, as the original does."""
    return Statement(
        f"""
        INSERT INTO {table} (topic, "partition", "offset")
        SELECT $1::text, n, -1 FROM unnest($2::integer[]) n
        ON CONFLICT DO NOTHING
        """,
        (topic, list(partitions)),
        answers=False,
    )


def original_offsets(table: str, topic: str, partitions: Sequence[int]) -> Statement:
    """Partition and offset, in a table of the original's form, which knows no more than that."""
    return Statement(
        f"""
        SELECT "partition", "offset"
        FROM {table}
        WHERE topic = $1::text AND "partition" = ANY ($2::integer[])
        """,
        (topic, list(partitions)),
    )


def advance_original(table: str, moves: Sequence[Move]) -> Statement:
    """As `advance`, in a table of the original's form."""
    return Statement(
        f"""
        UPDATE {table} o
        SET "offset" = n.reached
        FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[])
            AS n (topic, "partition", expected, reached)
        WHERE o.topic = n.topic AND o."partition" = n."partition" AND o."offset" = n.expected
        RETURNING o.topic, o."partition"
        """,
        (
            [move.topic for move in moves],
            [move.partition for move in moves],
            [move.expected for move in moves],
            [move.reached for move in moves],
        ),
    )
