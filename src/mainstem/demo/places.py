"""Where the demo takes place: a database, topic and line of its own, cleared away at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from mainstem.demo import statements
from mainstem.demo.narration import Screen, marked
from mainstem.demo.servers import Given, Servers, servers_for
from mainstem.demo.settings import DemoSettings, Place
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import create_event_topic, describe_topic
from mainstem.postgres.drivers.failures import mapped
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.migrating import applying, pending
from mainstem.postgres.topics import create_topic
from mainstem.replicator.settings import PROGRESS_TOPIC, ReplicatorSettings
from mainstem.wal.slots import drop_slot, inspect_slot

TOPIC = "order_events"
LINE = "main"
TIMEOUT_S = 10.0
POLL_S = 0.05
LOG_NAME = "demo-replicator.log"


@contextmanager
def place_for(given: Given, settings: DemoSettings, screen: Screen) -> Iterator[Place]:
    """A place on the given servers, or on new ones where an address is missing.

    What the demo made is gone after the block, unless it is to be kept.
    """
    with servers_for(given, settings, screen) as servers:
        if servers.fresh:
            place = the_place(servers)
            with marked("Topic", screen):
                create_table(place)
                create_event_topic(place.kafka, place.topic, partitions=settings.partitions)
            yield place
        else:
            with own_place(servers, settings, screen) as place:
                yield place


def the_place(servers: Servers) -> Place:
    """The names that a newcomer expects, on servers that hold nothing else."""
    return Place(
        database_url=servers.database_url,
        kafka=KafkaSettings(servers.kafka_bootstrap),
        topic=TOPIC,
        line=LINE,
        log=servers.folder / LOG_NAME,
    )


@contextmanager
def own_place(servers: Servers, settings: DemoSettings, screen: Screen) -> Iterator[Place]:
    """A database, topic and line of the demo's own; whatever else is there is left alone."""
    token = uuid4().hex[:8]
    database = f"mainstem_demo_{token}"
    place = Place(
        database_url=make_conninfo(servers.database_url, dbname=database),
        kafka=KafkaSettings(servers.kafka_bootstrap),
        topic=f"order_{token}_events",
        line=f"demo_{token}",
        log=servers.folder / LOG_NAME,
    )
    with ExitStack() as made:
        with marked("Kafka topic", screen):
            create_event_topic(
                place.kafka, place.topic, partitions=settings.partitions, timeout_s=TIMEOUT_S
            )
        made.callback(remove_from_kafka, place)
        with marked("Database", screen):
            create_database(servers, database)
            made.callback(remove_database, servers, place, database)
            create_table(place)
        yield place
        if settings.keep:
            made.pop_all()


def create_table(place: Place) -> None:
    """The topic as a table, and all that the database needs besides."""
    with connect(place.database_url) as connection:
        for migration in run(connection, pending()):
            run_atomically(connection, applying(migration))
        create_topic(connection, place.topic)


def create_database(servers: Servers, database: str) -> None:
    """An empty database."""
    with mapped(), connect(servers.database_url) as connection:
        connection.execute(statements.create_database(database).encode())


def remove_database(servers: Servers, place: Place, database: str) -> None:
    """Remove slot and database of a place whose replicator has ended."""
    slot = ReplicatorSettings(place.database_url, place.kafka, line=place.line).slot
    with mapped(), connect(servers.database_url) as connection:
        if free(connection, slot):
            drop_slot(connection, slot)
        connection.execute(statements.drop_database(database).encode())


def remove_from_kafka(place: Place) -> None:
    """Remove topic and progress of a place whose replicator has ended."""
    with kafka_errors(f"removing {place.topic}"):
        admin = AdminClient(place.kafka.config())
        for gone in admin.delete_topics([place.topic], operation_timeout=TIMEOUT_S).values():
            gone.result(TIMEOUT_S)
        if describe_topic(place.kafka, PROGRESS_TOPIC) is not None:
            # A tombstone: compaction then forgets the line.
            producer = Producer(place.kafka.config())
            producer.produce(PROGRESS_TOPIC, key=place.line.encode(), value=None, partition=0)
            producer.flush(TIMEOUT_S)


def free(connection: psycopg.Connection[Any], slot: str) -> bool:
    """Whether there is such a slot, once the walsender of a killed replicator has let go of it."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while (found := inspect_slot(connection, slot)) and time.monotonic() < deadline_s:
        if found.active_pid is None:
            break
        time.sleep(POLL_S)
    return found is not None
