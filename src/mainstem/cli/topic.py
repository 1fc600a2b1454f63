"""`mainstem topic`: create a topic's table and Kafka topic, protect it, look after its months."""

from __future__ import annotations

from typing import Any

import click

from mainstem.cli.archive import archive
from mainstem.cli.options import address, database_option, json_option
from mainstem.cli.output import data, data_json
from mainstem.cli.scripts import (
    Administration,
    needed,
    optional_database_option,
    show,
    sql_option,
)
from mainstem.errors import ConfigurationError
from mainstem.postgres import naming
from mainstem.postgres.drivers.psycopg import run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.migration.months import AHEAD_DEFAULT, Month
from mainstem.postgres.migration.partitions import partitioning
from mainstem.postgres.migration.protecting import protecting
from mainstem.postgres.migration.script import protection_script, topic_script
from mainstem.postgres.options import DEFAULT_PUBLICATION, KEY_INDEXES, PARTITIONINGS, TopicOptions
from mainstem.postgres.topics import create_topic

INDEX_HELP = (
    "Find the events of a key by a B-tree; per event it costs 61 % (key) or 78 % (key-id) more"
    " server CPU and 130 to 160 bytes of WAL with random UUIDs, 25 % with UUIDs of version 7."
    " A --versioned topic has an index over (key, version) already."
)


@click.group()
def topic() -> None:
    """Create topics, protect them, and look after their months."""


topic.add_command(archive)


@topic.command(cls=Administration, short_help="Create the table and the Kafka topic.")
@click.argument("name")
@click.option(
    "--key-type",
    type=click.Choice(list(KEY_TYPES)),
    default="uuid",
    help="PostgreSQL type of the key column.",
)
@click.option(
    "--versioned", is_flag=True, help="Number the events of each key: for expected_version=."
)
@click.option(
    "--idempotent", is_flag=True, help="Keep an id of the caller's, each once: for event_id=."
)
@click.option("--index-key", type=click.Choice(list(KEY_INDEXES)), default="none", help=INDEX_HELP)
@click.option("--data-bytes-max", type=int, help="Refuse larger encoded payloads.")
@click.option(
    "--append-only/--no-append-only", default=True, help="Refuse UPDATE, DELETE and TRUNCATE."
)
@click.option(
    "--partition-by",
    type=click.Choice(PARTITIONINGS),
    help="One partition per calendar month (UTC); cannot be changed later, and excludes"
    " --versioned and --idempotent.",
)
@click.option(
    "--partitions",
    type=click.IntRange(1),
    help="Number of Kafka partitions; cannot be changed later.",
)
@click.option("--publication", default=DEFAULT_PUBLICATION, help="What the replicator reads.")
@sql_option
@optional_database_option
@address("--kafka-bootstrap", "Address of Kafka; without it only the table.", required=False)
@json_option
def create(
    name: str,
    *,
    partitions: int | None,
    publication: str,
    as_sql: bool,
    database_url: str | None,
    kafka_bootstrap: str | None,
    as_json: bool,
    **columns: Any,
) -> None:
    """Create the table events.NAME and, where Kafka is known, the Kafka topic NAME.

    An existing table is an error, an existing Kafka topic is left as it is. The table joins the
    publication if there is one; otherwise the replicator's first start takes it in.
    """
    options = TopicOptions(**columns)
    if as_sql:
        if partitions is not None:
            raise ConfigurationError(
                "--partitions is about the Kafka topic, and --sql prints only the table",
                hint="leave --partitions out, and create the Kafka topic with Kafka's own tools",
            )
        show(topic_script(name, options, publication=publication))
        return
    if partitions is not None and kafka_bootstrap is None:
        raise ConfigurationError("--partitions needs --kafka-bootstrap", hint="give both, or none")
    naming.checked(name)
    # The table commits last: if Kafka fails, nothing is left and the command can be repeated.
    with connect(needed(database_url)) as connection, connection.transaction():
        joined = create_topic(connection, name, options, publication=publication)
        created = None
        if kafka_bootstrap is not None:
            created = create_in_kafka(kafka_bootstrap, name, partitions)
    done = {"topic": name, "key_type": options.key_type, "joined": joined, "kafka_created": created}
    if as_json:
        data_json(done)
    else:
        fate = destiny(name, publication, joined=joined)
        data(f"created the table {naming.EVENT_SCHEMA}.{name} with {options.key_type} keys; {fate}")
        if created is not None:
            data(f'{"created" if created else "found"} the Kafka topic "{name}"')


@topic.command(cls=Administration, short_help="Forbid to change a topic's events.")
@click.argument("name")
@sql_option
@optional_database_option
@json_option
def protect(name: str, *, as_sql: bool, database_url: str | None, as_json: bool) -> None:
    """Let the table events.NAME refuse UPDATE, DELETE and TRUNCATE, if it does not yet.

    Topics that mainstem topic create makes do so from the start. Tables from before and from
    other programs do not. It waits for those who write at the moment, for 5 s at most. Before
    PostgreSQL 17 run mainstem roles again after it, for the replicator's sake.
    """
    if as_sql:
        show(protection_script(name))
        return
    with connect(needed(database_url)) as connection:
        protected = run_atomically(connection, protecting(name))
    if as_json:
        data_json({"topic": name, "protected": protected})
    else:
        data(f"protected {', '.join(protected)}" if protected else "it is protected already")


@topic.command(name="partitions", cls=Administration, short_help="Make the months to come.")
@click.argument("name")
@click.option("--ahead", type=int, default=AHEAD_DEFAULT, help="Months after this one.")
@click.option("--since", metavar="YYYY-MM", help="First month; by default the one before this.")
@database_option
@json_option
def make_partitions(
    name: str, *, ahead: int, since: str | None, database_url: str, as_json: bool
) -> None:
    """Make the missing partitions of a topic that is partitioned by month.

    Run it from a timer: an event whose month has no partition is refused.
    """
    first = Month.parsed(since) if since else None
    with connect(database_url) as connection:
        made = run_atomically(connection, partitioning(name, ahead, first))
    months = [month.text for month in made]
    if as_json:
        data_json({"topic": name, "made": months})
    else:
        data(f"made partitions: {', '.join(months)}" if months else "no partition is missing")


def create_in_kafka(bootstrap: str, name: str, partitions: int | None) -> bool:
    """Create the Kafka topic; False if it was there before."""
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.kafka.topics import create_event_topic

    return create_event_topic(KafkaSettings(bootstrap), name, partitions=partitions)


def destiny(name: str, publication: str, *, joined: bool) -> str:
    """How the table's events will reach Kafka."""
    if joined:
        return f'it joined the publication "{publication}"'
    if name.endswith(naming.REPLICATED_SUFFIX):
        return "the replicator's first start takes it in"
    return f"it is not replicated, for its name does not end in {naming.REPLICATED_SUFFIX}"
