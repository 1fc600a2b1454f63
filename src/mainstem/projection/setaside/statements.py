"""Every statement about dead letters and halts, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mainstem.kafka.delivered import Place
from mainstem.postgres.statements import Statement
from mainstem.projection.setaside.letter import Letter, Trouble

COLUMNS: Final = (
    'topic, "partition", "offset", event_id, key, data, metadata, timestamp_ms, lsn::text, ordinal'
)
OPEN: Final = "state IN ('waiting', 'behind')"


def blocked(group: str, places: Sequence[Place]) -> Statement:
    """Topic, partition and key of everything that is set aside in these partitions."""
    return Statement(
        f"""
        SELECT DISTINCT d.topic, d."partition", d.key
        FROM _mainstem.dead_letters d
        JOIN unnest($1::text[], $2::integer[]) AS p (topic, "partition")
          ON d.topic = p.topic AND d."partition" = p."partition"
        WHERE d."group" = $3::text AND d.{OPEN}
        """,
        ([place.topic for place in places], [place.partition for place in places], group),
    )


def put(group: str, letter: Letter, trouble: Trouble, state: str) -> Statement:
    """Set an event aside; one that was set aside or given up before stays so."""
    return Statement(
        """
        INSERT INTO _mainstem.dead_letters AS d
            ("group", topic, "partition", "offset", event_id, key, data, metadata, timestamp_ms,
             lsn, ordinal, error_type, error, attempts, state)
        VALUES ($1::text, $2::text, $3::integer, $4::bigint, $5::bigint, $6::bytea, $7::bytea,
                $8::bytea, $9::bigint, $10::text::pg_lsn, $11::bigint, $12::text, $13::text,
                $14::integer, $15::text)
        ON CONFLICT ("group", topic, "partition", "offset") DO UPDATE
        SET error_type = excluded.error_type, error = excluded.error,
            attempts = d.attempts + excluded.attempts, last_failed_at = pg_catalog.now(),
            state = CASE WHEN d.state = 'discarded' THEN d.state ELSE excluded.state END
        WHERE excluded.state <> 'behind'
        """,
        (group, *letter, *trouble, state),
        answers=False,
    )


def halt(group: str, letter: Letter, trouble: Trouble) -> Statement:
    """Note that a partition stands still before this event; attempts at it add up."""
    return Statement(
        """
        INSERT INTO _mainstem.projection_halts AS h
            ("group", topic, "partition", "offset", event_id, error_type, error, attempts)
        VALUES ($1::text, $2::text, $3::integer, $4::bigint, $5::bigint, $6::text, $7::text,
                $8::integer)
        ON CONFLICT ("group", topic, "partition") DO UPDATE
        SET "offset" = excluded."offset", event_id = excluded.event_id,
            error_type = excluded.error_type, error = excluded.error,
            halted_at = pg_catalog.now(),
            attempts = excluded.attempts
                + CASE WHEN h."offset" = excluded."offset" THEN h.attempts ELSE 0 END
        """,
        (group, *letter[:4], *trouble),
        answers=False,
    )


def passed(group: str, places: Sequence[Place], offsets: Sequence[int]) -> Statement:
    """Forget the halts of partitions that are past them."""
    return Statement(
        """
        DELETE FROM _mainstem.projection_halts h
        USING unnest($1::text[], $2::integer[], $3::bigint[]) AS p (topic, "partition", reached)
        WHERE h."group" = $4::text AND h.topic = p.topic AND h."partition" = p."partition"
          AND h."offset" <= p.reached
        """,
        (
            [place.topic for place in places],
            [place.partition for place in places],
            list(offsets),
            group,
        ),
        answers=False,
    )


def halts(group: str) -> Statement:
    """Topic, partition and offset of the partitions that stand still."""
    return Statement(
        'SELECT topic, "partition", "offset" FROM _mainstem.projection_halts'
        ' WHERE "group" = $1::text ORDER BY topic, "partition"',
        (group,),
    )


def clear_halts(group: str, topic: str | None, partition: int | None) -> Statement:
    """Let partitions be tried again by the projector that runs; each as topic and partition."""
    return Statement(
        """
        DELETE FROM _mainstem.projection_halts
        WHERE "group" = $1::text
          AND topic = COALESCE($2::text, topic) AND "partition" = COALESCE($3::integer, "partition")
        RETURNING topic, "partition"
        """,
        (group, topic, partition),
    )


def waiting_keys(group: str, topic: str | None, partition: int | None) -> Statement:
    """Topic, partition and key of what is set aside, the oldest first."""
    return Statement(
        f"""
        SELECT topic, "partition", key
        FROM _mainstem.dead_letters
        WHERE "group" = $1::text AND {OPEN}
          AND topic = COALESCE($2::text, topic) AND "partition" = COALESCE($3::integer, "partition")
        GROUP BY topic, "partition", key
        ORDER BY topic, "partition", min("offset")
        """,
        (group, topic, partition),
    )


def lock_offset(group: str, topic: str, partition: int) -> Statement:
    """Hold up the projector at this partition until the transaction ends; its offset."""
    return Statement(
        """
        SELECT "offset" FROM _mainstem.projection_offsets
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
        FOR UPDATE
        """,
        (group, topic, partition),
    )


def offset_of(group: str, topic: str, partition: int) -> Statement:
    """The last offset that is done with; no row where it is kept in another table."""
    return Statement(
        """
        SELECT "offset" FROM _mainstem.projection_offsets
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
        """,
        (group, topic, partition),
    )


def first_of_key(group: str, topic: str, partition: int, key: bytes | None) -> Statement:
    """The oldest letter of a key, and how often it was tried."""
    return Statement(
        f"""
        SELECT {COLUMNS}, attempts
        FROM _mainstem.dead_letters
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
          AND key IS NOT DISTINCT FROM $4::bytea AND {OPEN}
        ORDER BY "offset" LIMIT 1 FOR UPDATE
        """,
        (group, topic, partition, key),
    )


def drop(group: str, place: tuple[str, int, int]) -> Statement:
    """Forget a letter that was applied."""
    return Statement(
        """
        DELETE FROM _mainstem.dead_letters
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
          AND "offset" = $4::bigint
        """,
        (group, *place),
        answers=False,
    )


def failed_again(group: str, place: tuple[str, int, int], trouble: Trouble) -> Statement:
    """Note another attempt at a letter that failed; it is the first of its key then."""
    return Statement(
        """
        UPDATE _mainstem.dead_letters
        SET error_type = $1::text, error = $2::text, attempts = attempts + $3::integer,
            state = 'waiting', last_failed_at = pg_catalog.now()
        WHERE "group" = $4::text AND topic = $5::text AND "partition" = $6::integer
          AND "offset" = $7::bigint
        """,
        (*trouble, group, *place),
        answers=False,
    )


def discard(group: str, place: tuple[str, int, int]) -> Statement:
    """Give a letter up; a row where there was one."""
    return Statement(
        f"""
        UPDATE _mainstem.dead_letters SET state = 'discarded'
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
          AND "offset" = $4::bigint AND {OPEN}
        RETURNING "offset"
        """,
        (group, *place),
    )


def take_halt(group: str, place: tuple[str, int, int]) -> Statement:
    """Remove the halt at this event: its error, where there was one."""
    return Statement(
        """
        DELETE FROM _mainstem.projection_halts
        WHERE "group" = $1::text AND topic = $2::text AND "partition" = $3::integer
          AND "offset" = $4::bigint
        RETURNING error_type, error, attempts
        """,
        (group, *place),
    )


def pass_over(group: str, place: tuple[str, int, int], expected: int) -> Statement:
    """Move an offset past an event that is given up; a row where it was as expected."""
    topic, partition, offset = place
    return Statement(
        """
        UPDATE _mainstem.projection_offsets
        SET "offset" = $1::bigint, updated_at = pg_catalog.now()
        WHERE "group" = $2::text AND topic = $3::text AND "partition" = $4::integer
          AND "offset" = $5::bigint
        RETURNING "offset"
        """,
        (offset, group, topic, partition, expected),
    )


def listing(group: str | None, limit: int) -> Statement:
    """Everything that is set aside, without what is in it, the oldest first."""
    return Statement(
        """
        SELECT "group", topic, "partition", "offset", event_id, state, attempts, error_type,
               COALESCE(octet_length(data), 0), first_failed_at, last_failed_at
        FROM _mainstem.dead_letters
        WHERE "group" = COALESCE($1::text, "group")
        ORDER BY "group", topic, "partition", "offset"
        LIMIT $2::integer
        """,
        (group, limit),
    )
