"""Scripts: the SQL of schema objects for whoever runs it, a plan, Alembic, Django or a DBA; pure.

A script is meant for one transaction, and says nothing of BEGIN and COMMIT itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from mainstem.postgres import naming
from mainstem.postgres.migration import statements
from mainstem.postgres.migration.files import Migration, migration_named, migrations
from mainstem.postgres.migration.months import AHEAD_DEFAULT, Month, planned
from mainstem.postgres.options import DEFAULT_PUBLICATION, TopicOptions
from mainstem.postgres.statements import Statement

EVENTS, APPEND_ONLY = "0001_pre_events", "0002_pre_append_only"


def init_script() -> list[str]:
    """Create the schema objects that all topics share; harmless where they are there already."""
    return migration_script(migrations())


def migration_script(chosen: Iterable[Migration]) -> list[str]:
    """Apply these migrations and note that they were applied."""
    return texts([statements.MIGRATION_LOCK, *statements.CREATE_RECORDS]) + texts(
        statement for migration in chosen for statement in recorded(migration)
    )


def topic_script(
    topic: str,
    options: TopicOptions | None = None,
    *,
    publication: str = DEFAULT_PUBLICATION,
) -> list[str]:
    """Create the table `events.<topic>` with all that belongs to it, in one transaction.

    InvalidName for a name that no topic can have.
    """
    return texts(topic_statements(topic, options or TopicOptions(), publication))


def drop_script(topic: str, *, with_events: bool = False) -> list[str]:
    """Drop the topic's table; a topic that holds events only if it is said."""
    return texts([statements.drop_table(topic, with_events=with_events)])


def protection_script(topic: str) -> list[str]:
    """Let a topic that is there refuse UPDATE, DELETE and TRUNCATE; harmless where it does."""
    return texts(
        [
            statements.CREATION_LOCK,
            statements.LOCK_TIMEOUT,
            *migration_named(APPEND_ONLY).statements,
            statements.forbid_all_changes(topic),
        ]
    )


class TopicParts(NamedTuple):
    """What creates a topic, in three steps; whoever makes the table itself skips the second."""

    before: list[Statement]
    table: list[Statement]
    after: list[Statement]


def topic_parts(
    topic: str,
    options: TopicOptions,
    publication: str = DEFAULT_PUBLICATION,
    months: Iterable[Month] | None = None,
) -> TopicParts:
    """What creates a topic; `months` are used if it is partitioned, by default those from now."""
    naming.checked(publication, "publication")
    table = naming.table(topic)
    before = [statements.CREATION_LOCK, *migration_named(EVENTS).statements]
    after = first_partitions(topic, options, months)
    if options.append_only:
        before += migration_named(APPEND_ONLY).statements
        after.append(statements.forbid_changes(table))
    if topic.endswith(naming.REPLICATED_SUFFIX):
        after.append(statements.join_publication(topic, publication))
    created = [statements.create_table(topic, options), *statements.create_indexes(topic, options)]
    return TopicParts(before, created, after)


def topic_statements(
    topic: str, options: TopicOptions, publication: str, months: Iterable[Month] | None = None
) -> list[Statement]:
    """What creates a topic, all of it."""
    parts = topic_parts(topic, options, publication, months)
    return [*parts.before, *parts.table, *parts.after]


def first_partitions(
    topic: str, options: TopicOptions, months: Iterable[Month] | None
) -> list[Statement]:
    """The first partitions of a table that has any."""
    if options.partition_by is None:
        return []
    if months is None:
        months = planned(Month.of(datetime.now(UTC)), AHEAD_DEFAULT)
    return [
        statement
        for month in months
        for statement in statements.add_partition(topic, month, append_only=options.append_only)
    ]


def recorded(migration: Migration) -> list[Statement]:
    """The migration's statements, and the record of it."""
    return [*migration.statements, statements.record(migration.name, migration.checksum)]


def texts(made: Iterable[Statement]) -> list[str]:
    """Their SQL, which has no parameters."""
    return [statement.sql.strip() for statement in made]


def printed(script: Iterable[str]) -> str:
    """The script as a file for psql, in one transaction."""
    return "\n\n".join(
        [r"\set ON_ERROR_STOP on", "BEGIN;", *(f"{sql};" for sql in script), "COMMIT;"]
    )
