"""Applying: a batch -> the steps of one transaction; pure.

The offsets move first: from then on the transaction holds the lock on them, so a second member
that works on the same partition waits, and fails its compare-and-set before a handler runs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from mainstem.event import StoredEvent
from mainstem.postgres.plan import Plan
from mainstem.projection.batch import Arrival, Batch
from mainstem.projection.definition import Definition
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.handlers import Handler
from mainstem.projection.offsets import moving
from mainstem.projection.points import Point, Probe


class Handle(NamedTuple):
    """A step: let a handler apply an event, or a sequence of them."""

    handler: Handler
    events: Any


Application: TypeAlias = Generator[Any, Any, None]
"""Yields Statement, Call and Handle."""

Sifting: TypeAlias = Plan[list[Arrival]]
"""Sets events aside in the transaction that is open; returns those that are to be handled."""


def application(
    definition: Definition, group: str, batch: Batch, probe: Probe, sifting: Sifting | None = None
) -> Application:
    """Move the offsets, and apply the events that `sifting` leaves, in their order."""
    yield from moving(definition, group, batch.moves)
    probe(Point.OFFSETS)
    arrivals = batch.arrivals if sifting is None else (yield from sifting)
    yield from handling(definition, decoded(arrivals))
    probe(Point.HANDLED)


def decoded(arrivals: Iterable[Arrival]) -> list[StoredEvent[Any]]:
    """The events that are to be handled; HandlerFailed at one that could not be decoded."""
    events = []
    for arrival in arrivals:
        if arrival.event is not None:
            events.append(arrival.event)
        elif arrival.error is not None:
            raise HandlerFailed(arrival.error.message, arrival.error) from arrival.error
    return events


def handling(definition: Definition, events: list[StoredEvent[Any]]) -> Application:
    """Apply events in the transaction that is open."""
    if not definition.handlers:
        yield from definition.projection.plan(events)
        return
    for handler, some in runs(definition, events):
        if handler.batch:
            yield Handle(handler, some)
        else:
            for event in some:
                yield Handle(handler, event)


def runs(
    definition: Definition, events: Iterable[StoredEvent[Any]]
) -> Iterator[tuple[Handler, list[StoredEvent[Any]]]]:
    """Events that follow one another and go to the same handler, in their order."""
    current: Handler | None = None
    some: list[StoredEvent[Any]] = []
    known: dict[type, Handler | None] = {}
    for event in events:
        payload = type(event.payload)
        if payload not in known:
            known[payload] = definition.handler_of(payload)
        handler = known[payload]
        if handler is not current:
            if current is not None:
                yield current, some
            current, some = handler, []
        some.append(event)
    if current is not None:
        yield current, some
