"""Founding: begin an application in Kafka, once, and see at each start that it is still so.

Theory of operation. The engine takes no offset for granted, so a new application's offsets are
written before it runs, in one transaction with its record. Who writes has fenced every other
founder first, and read the record behind that fence: of two that start at once, one founds, and the
other finds the record. The broker lets anybody set a group's offsets in a transaction, members or
not, hence the look at members, behind the same fence. Starts at which nothing is new fence nobody.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from mainstem.errors import ConfigurationError, ServerUnavailable, Superseded, UnknownTopic
from mainstem.kafka.clients import ABSENT, consumer_of
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.members import kept_offsets, member_counts
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import (
    COMPACTED_TOPIC,
    EARLIEST,
    LATEST,
    TopicFacts,
    Topics,
)
from mainstem.streams.application_record import (
    ApplicationRecord,
    Reached,
    Role,
    Topology,
    Traces,
    check_extension,
    check_reached,
    check_record,
    check_record_topic,
    check_retention,
    check_vacant,
)
from mainstem.streams.founder import RECORD_TOPIC, Founder, read_record

__all__ = ["Topology", "forget", "found"]

ATTEMPTS_MAX: Final = 20
PAUSE_S: Final = 0.5
"""Two that fence each other in turn part by pauses of up to this length."""
TIMEOUT_S: Final = 10.0
PENDING_S: Final = 90.0
"""Offsets are told only when the transaction of an instance that died is over."""
POLL_S: Final = 0.05


def found(
    kafka: KafkaSettings, topology: Topology, *, accept_retention: bool = False
) -> dict[str, str]:
    """Begin the application, or compare the world with its record; topic -> id of all its topics.

    After it the group has an offset of each partition that the program reads. Raises the refusals
    `stream-…` where going on could lose or double something, UnknownTopic, ServerUnavailable, and
    ConfigurationError where the program reads new topics while instances run.
    """
    topics = Topics(kafka)
    topics.create(RECORD_TOPIC, COMPACTED_TOPIC, partitions=1)
    facts = described(topics, topology)
    check_record_topic(facts[RECORD_TOPIC])
    check_retention(topology, facts, accept_retention=accept_retention)
    with closing(consumer_of(kafka, topology.app)) as consumer:
        record = settled(kafka, consumer, topology, facts)
        check_reached(topology.app, reached(topics, consumer, topology, facts))
    return {name: topic.topic_id for name, topic in record.topics.items()}


def described(topics: Topics, topology: Topology) -> dict[str, TopicFacts]:
    """The facts of all topics of the program, and of the topic of records; UnknownTopic."""
    facts = topics.describe([*topology.roles(), RECORD_TOPIC], with_ends=False)
    for name in topology.roles():
        if name not in facts:
            raise UnknownTopic(f"Kafka has no topic {name!r}, which {topology.app} reads")
    return facts


def settled(
    kafka: KafkaSettings,
    consumer: Consumer,
    topology: Topology,
    facts: Mapping[str, TopicFacts],
) -> ApplicationRecord:
    """The record with everything that the program uses, written where something is new."""
    for _ in range(ATTEMPTS_MAX):
        record = read_record(kafka, topology.app)
        if record is not None and not record.lacks(topology):
            check_record(topology, record, facts)
            return record
        try:
            return written(kafka, consumer, topology, facts)
        except Superseded:
            time.sleep(random.uniform(0, PAUSE_S))  # noqa: S311  # Nobody need not guess it.
    raise ServerUnavailable(f"others begin the application {topology.app} again and again")


def written(
    kafka: KafkaSettings,
    consumer: Consumer,
    topology: Topology,
    facts: Mapping[str, TopicFacts],
) -> ApplicationRecord:
    """Add what is new to the record, with the offsets to begin at; Superseded by another one."""
    founder = Founder(kafka, topology.app)
    # Before the record: what another founder did up to here is in the record that is read now.
    traces = traces_of(kafka, topology)
    known = read_record(kafka, topology.app)
    record = known or ApplicationRecord(topology.state_format)
    check_record(topology, record, facts)
    new = record.lacks(topology)
    if not new:
        return record
    if known is None:
        check_vacant(topology.app, traces)
    else:
        check_extension(topology.app, new, traces)
    record = record.extended(topology, facts)
    read = [name for name in new if record.topics[name].role is not Role.CHANGELOG]
    offsets = Topics(kafka).offsets(places(facts, read), EARLIEST)
    founder.write(record.encode(), offsets, consumer)
    return record


def traces_of(kafka: KafkaSettings, topology: Topology) -> Traces:
    """Who or what is there already, under the names of the application."""
    internal = [*topology.repartitions, *topology.changelogs]
    told = Topics(kafka).describe(internal).values()
    filled = frozenset(each.name for each in told if not each.empty)
    members = member_counts(kafka, [topology.app])[topology.app]
    with kafka_errors("setting up an admin client"):
        admin = AdminClient(kafka.config())
    kept = frozenset(place.topic for place in kept_offsets(admin, topology.app))
    return Traces(kept, members, filled)


def places(facts: Mapping[str, TopicFacts], names: Sequence[str]) -> list[Place]:
    """All partitions of these topics."""
    return [Place(name, number) for name in names for number in range(facts[name].partitions)]


def reached(
    topics: Topics,
    consumer: Consumer,
    topology: Topology,
    facts: Mapping[str, TopicFacts],
) -> Reached:
    """Where the group is in what the program reads."""
    asked = places(facts, [*topology.sources, *topology.repartitions])
    # In this order: instances that run move offsets and delete what is below them meanwhile.
    firsts = topics.offsets(asked, EARLIEST)
    with kafka_errors(f"asking for the offsets of the group {topology.app}"):
        answers = consumer.committed([TopicPartition(*place) for place in asked], PENDING_S)
    for each in answers:
        if each.error is not None:
            raise failure(each.error, f"asking for the offset of {each.topic}[{each.partition}]")
    committed = {Place(each.topic, each.partition): each.offset for each in answers}
    ends = topics.offsets(asked, LATEST, committed=False)
    return Reached(firsts, {at: offset for at, offset in committed.items() if offset >= 0}, ends)


def forget(kafka: KafkaSettings, app: str) -> list[str]:
    """Delete offsets, state and record of an application, so that it begins anew; deleted topics.

    Its sources and results stay. Crashed anywhere, it can be run again: the record goes last, and
    until then every start is refused. Raises ConfigurationError for an application that is not
    known or that runs, Superseded while it is begun, and ServerUnavailable.
    """
    Topics(kafka).create(RECORD_TOPIC, COMPACTED_TOPIC, partitions=1)
    founder = Founder(kafka, app)
    record = read_record(kafka, app)
    if record is None:
        raise ConfigurationError(
            f"Kafka knows no stream application {app!r}",
            hint="give the name that stands in @stream_app; one that never ran needs no reset",
        )
    admin = AdminClient(kafka.config())
    # First, as the broker itself refuses it while there are members.
    delete_group(admin, app)
    deleted = delete_topics(Topics(kafka), admin, record.internal())
    founder.write(None)
    return deleted


def delete_group(admin: AdminClient, group: str) -> None:
    """Delete a group with its offsets, if it is there; ConfigurationError while it has members."""
    try:
        admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.NON_EMPTY_GROUP:
            raise ConfigurationError(
                f"instances of the stream application {group} run",
                hint="stop all of them first; one that was killed counts until its session ends",
            ) from error
        if code != KafkaError.GROUP_ID_NOT_FOUND:
            raise failure(error.args[0], f"deleting the group {group}") from error
    except TimeoutError as error:
        raise ServerUnavailable(f"Kafka did not delete the group {group} in time") from error


def delete_topics(topics: Topics, admin: AdminClient, names: Sequence[str]) -> list[str]:
    """Delete these topics and wait until they are gone; those that were there."""
    there = list(topics.shapes(names))
    with kafka_errors("deleting topics"):
        for future in (admin.delete_topics(there) if there else {}).values():
            try:
                future.result(TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() not in ABSENT:
                    raise
    deadline_s = time.monotonic() + TIMEOUT_S
    while left := topics.shapes(there):
        if time.monotonic() > deadline_s:
            raise ServerUnavailable(f"Kafka still knows {', '.join(left)}, which were deleted")
        time.sleep(POLL_S)
    return there
