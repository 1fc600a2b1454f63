"""Portions: messages of one partition on their way to a lane, and how they are cut; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mainstem.event import Position
from mainstem.kafka.delivered import Place
from mainstem.projection.batch import Arrival, Batch, Move
from mainstem.refusals import refusal


class Portion(NamedTuple):
    """Messages of one partition that follow one another, and the offset that they end at."""

    place: Place
    after: int
    """The offset that the portion before it ended at, or that its partition was taken up behind."""
    arrivals: list[Arrival]
    reached: int
    """The last offset that is done with afterwards: of the last message, or a marker's."""
    generation: int
    """Of the partition's assignment: those of an earlier one are dropped."""


@dataclass(slots=True)
class Holding:
    """A partition that is at hand, and where it is."""

    topic_id: str
    done: int
    """The last offset that is done with."""
    position: Position | None
    """Of the last event that was applied."""
    generation: int
    halted_ms: int | None = None
    """Timestamp of the event that the partition stands still at."""


def split(portions: Sequence[Portion]) -> tuple[list[Portion], list[Portion]]:
    """Two parts with about as many messages each, in their order."""
    left = sum(len(portion.arrivals) for portion in portions) // 2
    first: list[Portion] = []
    second: list[Portion] = []
    for portion in portions:
        here = portion.arrivals[:left] if left < len(portion.arrivals) else portion.arrivals
        if here is portion.arrivals and left > 0:
            first.append(portion)
        elif here:
            cut = here[-1].delivered.offset
            first.append(portion._replace(arrivals=here, reached=cut))
            second.append(portion._replace(arrivals=portion.arrivals[left:], after=cut))
        else:
            second.append(portion)
        left = max(0, left - len(portion.arrivals))
    return first, second


def batch_of(portions: Sequence[Portion], holdings: Mapping[Place, Holding]) -> Batch:
    """The batch of portions of partitions that are at hand, one or several of each."""
    arrivals: list[Arrival] = []
    moves: dict[Place, Move] = {}
    for portion in portions:
        holding = holdings[portion.place]
        before = moves.get(portion.place)
        done = before.reached if before else holding.done
        # A portion that went astray would be an event skipped: the last line of defence.
        assert portion.after == done < portion.reached, (
            f"{portion.place} is done up to {done}, and the next portion goes on behind"
            f" {portion.after} to {portion.reached}"
        )
        events, position = counted(portion, before.position if before else holding.position)
        moves[portion.place] = Move(
            *portion.place,
            holding.topic_id,
            holding.done,
            portion.reached,
            position,
            events + (before.events if before else 0),
        )
        arrivals += portion.arrivals
    return Batch(arrivals, tuple(moves.values()))


def counted(portion: Portion, last: Position | None) -> tuple[int, Position | None]:
    """How many events there are, and the position of the last one.

    Positions rise within a partition: the refusal `position-went-back` tells of one that does not.
    """
    events = 0
    for _delivered, event, _error in portion.arrivals:
        if event is None:
            continue
        events += 1
        position = event.position
        if position is None:
            continue
        if last is not None and position <= last:
            raise refusal(
                "position-went-back",
                f"{portion.place}@{event.offset} is at position {position}, behind {last}",
            )
        last = position
    return events, last
