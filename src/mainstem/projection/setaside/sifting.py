"""Sifting: events set aside in the transaction that moves the offset past them; plans."""

from __future__ import annotations

from typing import NamedTuple

from mainstem.kafka.delivered import Place
from mainstem.postgres.plan import Plan
from mainstem.projection.batch import Arrival, Batch
from mainstem.projection.setaside import statements
from mainstem.projection.setaside.letter import Letter, Trouble

BEHIND = Trouble("", "an earlier event of its key is set aside", 0)


class Sifted(NamedTuple):
    """What a look at the dead letters of some partitions has shown."""

    arrivals: list[Arrival]
    """Those that are to be applied."""
    clear: frozenset[Place]
    """Partitions in which nothing is set aside."""


def sifting(group: str, batch: Batch, unknown: frozenset[Place]) -> Plan[Sifted]:
    """Set events aside that would overtake others of their key; halts that are passed are over."""
    places = sorted(unknown)
    moves = {move.place: move.reached for move in batch.moves}
    yield statements.passed(group, places, [moves[place] for place in places])
    rows = yield statements.blocked(group, places)
    keys = {(topic, partition, key) for topic, partition, key in rows}
    kept = []
    for arrival in batch.arrivals:
        delivered = arrival.delivered
        if (delivered.topic, delivered.partition, delivered.key) in keys and is_handled(arrival):
            yield statements.put(group, Letter.of(delivered), BEHIND, "behind")
        else:
            kept.append(arrival)
    return Sifted(kept, unknown - {Place(topic, partition) for topic, partition, _ in keys})


def setting_aside(group: str, batch: Batch, trouble: Trouble) -> Plan[list[Arrival]]:
    """Set the one event of the batch aside; nothing is left to be applied."""
    for arrival in batch.arrivals:
        yield statements.put(group, Letter.of(arrival.delivered), trouble, "waiting")
    return []


def is_handled(arrival: Arrival) -> bool:
    """Whether the projection would do anything about it."""
    return arrival.event is not None or arrival.error is not None
