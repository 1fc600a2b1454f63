"""Topics as tables: create one so that the replicator may trust it, inspect one, list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mainstem.errors import TopicExists
from mainstem.postgres import naming, statements
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.plan import Plan
from mainstem.postgres.table import EventTable, inspection

if TYPE_CHECKING:
    import psycopg

DEFAULT_PUBLICATION = "mainstem"


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


def creation(topic: str, options: TopicOptions, publication: str) -> Plan[bool]:
    """Create the table and join the publication, in this order and in one transaction."""
    naming.checked(topic)
    naming.checked(publication, "publication")
    yield statements.CREATION_LOCK
    if not (yield statements.SCHEMA_EXISTS):
        yield statements.CREATE_SCHEMA
    if (yield statements.inspect(topic)):
        raise TopicExists(f"the table events.{topic} exists already")
    yield statements.create_table(topic, options)
    if not topic.endswith(naming.REPLICATED_SUFFIX):
        return False
    return (yield from joining(topic, publication))


def joining(topic: str, publication: str) -> Plan[bool]:
    """Put the empty table into the publication and say so in the stream; False without one."""
    found = yield statements.publishes(publication, topic)
    if not found:
        return False
    if not found[0][0]:
        yield statements.add_to_publication(publication, topic)
    table = yield from inspection(topic)
    yield statements.announce_join(topic, table.oid)
    return True


def listing() -> Plan[list[str]]:
    """Look up the names of the replicated tables."""
    return [name for (name,) in (yield statements.REPLICATED_TABLES)]
