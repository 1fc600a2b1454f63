"""Topics as tables: create one so that the replicator may trust it, inspect one, list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem.errors import TopicExists
from mainstem.postgres import naming, statements
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.migration.months import AHEAD_DEFAULT, Month, planned
from mainstem.postgres.migration.partitions import this_month
from mainstem.postgres.migration.script import topic_statements
from mainstem.postgres.migration.statements import CREATION_LOCK
from mainstem.postgres.migration.steps import each
from mainstem.postgres.options import DEFAULT_PUBLICATION, TopicOptions
from mainstem.postgres.plan import Plan
from mainstem.postgres.table import EventTable, inspection

if TYPE_CHECKING:
    import psycopg


def create_topic(
    connection: psycopg.Connection[Any],
    topic: str,
    options: TopicOptions | None = None,
    *,
    publication: str = DEFAULT_PUBLICATION,
) -> bool:
    """Create the table `events.<topic>`, and let it join the replicator's publication.

    True if it joined: the publication exists and the topic's name ends in `_events`.
    Without the publication the replicator's first start takes the table in.
    All of it is one transaction, or a savepoint in the caller's if one is open.
    Raises InvalidName and TopicExists.
    """
    plan = creation(topic, options or TopicOptions(), publication)
    return run_atomically(connection, plan)


def inspect_topic(connection: psycopg.Connection[Any], topic: str) -> EventTable:
    """What the catalog says about the topic's table; UnknownTopic if there is none.

    A missing table does not abort the caller's transaction.
    """
    return run(connection, inspection(topic))


def event_topics(connection: psycopg.Connection[Any]) -> list[str]:
    """Every table of the schema `events` whose name ends in `_events`, sorted.

    Names are as they stand in the catalog: the caller checks them before use.
    """
    return run(connection, listing())


def creation(
    topic: str, options: TopicOptions, publication: str, ahead: int = AHEAD_DEFAULT
) -> Plan[bool]:
    """Create the table and what belongs to it, in one transaction; whether it is published."""
    naming.checked(topic)
    naming.checked(publication, "publication")
    yield CREATION_LOCK
    if (yield statements.inspect(topic)):
        raise TopicExists(f"the table {naming.EVENT_SCHEMA}.{topic} exists already")
    months: list[Month] = []
    if options.partition_by is not None:
        months = planned((yield from this_month()), ahead)
    yield from each(topic_statements(topic, options, publication, months))
    if not topic.endswith(naming.REPLICATED_SUFFIX):
        return False
    found = yield statements.publishes(publication, topic)
    return bool(found and found[0][0])


def listing() -> Plan[list[str]]:
    """Look up the names of the replicated tables."""
    return [name for (name,) in (yield statements.REPLICATED_TABLES)]
