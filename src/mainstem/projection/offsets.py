"""Offsets: where a projection is in each partition, read and moved by compare-and-set; plans.

They move in the transaction of the rows they speak of, and each only from where it was expected:
a member that was taken for dead and wakes up again moves nothing, and its rows go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mainstem.errors import ConfigurationError
from mainstem.event import Position, parse_lsn
from mainstem.kafka.delivered import Place, by_topic
from mainstem.postgres.plan import Plan
from mainstem.projection import statements
from mainstem.projection.batch import Move
from mainstem.projection.definition import Definition
from mainstem.projection.errors import OffsetsMoved
from mainstem.projection.seat import Seat
from mainstem.refusals import refusal

RETIRED = "retired"


class Reached(NamedTuple):
    """Where a partition is."""

    offset: int
    """The last offset that is done with, -1 at first."""
    position: Position | None
    """Of the last event that was applied, where it is known."""


def registration(definition: Definition, seat: Seat) -> Plan[None]:
    """Make the projection known; a Refusal where another version took its tables over."""
    if not (yield statements.PRESENT)[0][0]:
        raise ConfigurationError(
            "the database lacks the tables that projections keep their offsets in",
            hint="mainstem init, or mainstem migrate for a database of an earlier version",
        )
    identity, names = (definition.name, definition.version), (definition.topics, definition.tables)
    yield from checking_service(seat.group)
    if others := (
        yield statements.sharing(seat.group, definition.name, seat.schema, definition.tables)
    ):
        raise refusal(
            "projection-tables-taken",
            f"{others[0][0]} serves the same tables in the schema {seat.schema}",
        )
    rows = yield statements.register(seat.group, identity, seat.schema, names)
    check_serving(seat.group, rows[0][0])


def consumer_group(definition: Definition, seat: Seat) -> Plan[str]:
    """The group id in Kafka: two databases that run one projection must not share partitions.

    With a table of the Java original's, the members of both are in one group: its plain name.
    """
    if definition.offsets is not None:
        return seat.group
    database, system_id = (yield statements.IDENTITY)[0]
    return in_kafka(seat.group, database, system_id)


def in_kafka(group: str, database: str, system_id: str) -> str:
    """`orders.v1@shop.7312…`: a projection's group id, of one database."""
    return f"{group}@{database}.{system_id}"


def loading(
    table: str | None, group: str, topic_ids: Mapping[str, str], places: Iterable[Place]
) -> Plan[dict[Place, Reached]]:
    """Where partitions are, beginning those that are new; a Refusal for another topic's offsets.

    `table` is one of the Java original's form, None our own.
    """
    found: dict[Place, Reached] = {}
    for topic, partitions in by_topic(places).items():
        if table is None:
            reached = yield from ours(group, topic, topic_ids[topic], partitions)
        else:
            reached = yield from originals(table, topic, partitions)
        found.update({Place(topic, partition): each for partition, each in reached.items()})
    return found


def ours(
    group: str, topic: str, topic_id: str, partitions: Sequence[int]
) -> Plan[Mapping[int, Reached]]:
    """Where partitions of a topic are, by our own table."""
    rows = yield statements.offsets(group, topic, partitions)
    # Only what is missing: an INSERT waits for the transaction of a member that is frozen.
    if missing := set(partitions) - {row[0] for row in rows}:
        yield statements.begin_offsets(group, topic, topic_id, sorted(missing))
        rows = yield statements.offsets(group, topic, partitions)
    for partition, known, offset, _lsn, _ordinal in rows:
        if known != topic_id:
            yield from checking_service(group)
            raise refusal(
                "projection-topic-recreated",
                f"{group} is at {topic}[{partition}]@{offset} of the topic with id {known},"
                f" but the topic has id {topic_id} now",
            )
    return {
        partition: Reached(offset, position(lsn, ordinal))
        for partition, _known, offset, lsn, ordinal in rows
    }


def originals(table: str, topic: str, partitions: Sequence[int]) -> Plan[Mapping[int, Reached]]:
    """Where partitions of a topic are, by a table of the Java original's form."""
    rows = yield statements.original_offsets(table, topic, partitions)
    if missing := set(partitions) - {row[0] for row in rows}:
        yield statements.begin_original_offsets(table, topic, sorted(missing))
        rows = yield statements.original_offsets(table, topic, partitions)
    return {partition: Reached(offset, None) for partition, offset in rows}


def moving(definition: Definition, group: str, moves: Sequence[Move]) -> Plan[None]:
    """Move offsets in the transaction that is open; OffsetsMoved unless each is as expected."""
    if definition.offsets is not None:
        rows = yield statements.advance_original(definition.offsets, moves)
    else:
        rows = yield statements.advance(group, moves)
    if len(rows) == len(moves):
        return
    moved = {(topic, partition) for topic, partition in rows}
    missed = [move for move in moves if (move.topic, move.partition) not in moved]
    yield from checking_service(group)
    places = ", ".join(f"{move.topic}[{move.partition}]@{move.expected}" for move in missed)
    raise OffsetsMoved(f"{group} is no longer at {places}: another member went on from there")


def checking_service(group: str) -> Plan[None]:
    """Raise the refusal where another version took the tables over."""
    if states := (yield statements.state_of(group)):
        check_serving(group, states[0][0])


def check_serving(group: str, state: str) -> None:
    """Raise the refusal where another version took the tables over."""
    if state == RETIRED:
        raise refusal(
            "projection-retired", f"{group} is retired: a newer version serves in its place"
        )


def position(lsn: str | None, ordinal: int | None) -> Position | None:
    """The position of two columns, which are both there or not at all."""
    return None if lsn is None or ordinal is None else Position(parse_lsn(lsn), ordinal)
