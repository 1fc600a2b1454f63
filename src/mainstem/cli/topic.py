"""`mainstem topic create NAME`: the table, its place in the publication, and the Kafka topic."""

from __future__ import annotations

import click

from mainstem.cli.options import address, database_option, json_option
from mainstem.cli.output import data, data_json
from mainstem.errors import ConfigurationError
from mainstem.postgres import naming
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.keys import KEY_TYPES
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import DEFAULT_PUBLICATION, create_topic


@click.group()
def topic() -> None:
    """Create topics."""


@topic.command()
@click.argument("name")
@click.option("--key-type", type=click.Choice(list(KEY_TYPES)), default="uuid", help="Of the keys.")
@click.option("--versioned", is_flag=True, help="Number the events of each key.")
@click.option("--idempotent", is_flag=True, help="Keep ids of the callers, each once.")
@click.option("--partitions", type=click.IntRange(1), help="Of the Kafka topic; final.")
@click.option("--publication", default=DEFAULT_PUBLICATION, help="What the replicator reads.")
@database_option
@address("--kafka-bootstrap", "Address of Kafka; without it only the table.", required=False)
@json_option
def create(
    name: str,
    *,
    key_type: str,
    versioned: bool,
    idempotent: bool,
    partitions: int | None,
    publication: str,
    database_url: str,
    kafka_bootstrap: str | None,
    as_json: bool,
) -> None:
    """Create the table events.NAME and, where Kafka is known, the Kafka topic NAME.

    An existing table is an error, an existing Kafka topic is left as it is. The table joins the
    publication if there is one; otherwise the replicator's first start takes it in.
    """
    if partitions is not None and kafka_bootstrap is None:
        raise ConfigurationError("--partitions needs --kafka-bootstrap", hint="give both, or none")
    naming.checked(name)
    # The table commits last: if Kafka fails, nothing is left and the command can be repeated.
    with connect(database_url) as connection, connection.transaction():
        options = TopicOptions(key_type=key_type, versioned=versioned, idempotent=idempotent)
        joined = create_topic(connection, name, options, publication=publication)
        created = None
        if kafka_bootstrap is not None:
            created = create_in_kafka(kafka_bootstrap, name, partitions)
    done = {"topic": name, "key_type": key_type, "joined": joined, "kafka_created": created}
    if as_json:
        data_json(done)
    else:
        fate = destiny(name, publication, joined=joined)
        data(f"created the table {naming.EVENT_SCHEMA}.{name} with {key_type} keys; {fate}")
        if created is not None:
            data(f'{"created" if created else "found"} the Kafka topic "{name}"')


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
