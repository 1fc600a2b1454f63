"""Bugs to plant in a projector, each of which a check must catch: the tests of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Statement
from mainstem.projection import applying
from mainstem.projection.applier import Applier
from mainstem.projection.applying import Application, Sifting
from mainstem.projection.assignment import Assignment
from mainstem.projection.batch import Batch, Move
from mainstem.projection.definition import Definition
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.lane import Lane
from mainstem.projection.offsets import Reached, moving
from mainstem.projection.points import Point
from mainstem.projection.portion import Portion


def no_cas() -> None:
    """Set offsets to where the batch ends, wherever they are."""
    applying.moving = unconditional  # type: ignore[attr-defined, assignment]  # the bug


def unconditional(_definition: Definition, group: str, moves: Sequence[Move]) -> Plan[None]:
    """As the Java original's UPDATE."""
    for move in moves:
        yield Statement(
            'UPDATE _mainstem.projection_offsets SET "offset" = $1::bigint,'
            ' events = events + $2::bigint WHERE "group" = $3::text AND topic = $4::text'
            ' AND "partition" = $5::integer',
            (move.reached, move.events, group, move.topic, move.partition),
            answers=False,
        )


def offset_first() -> None:
    """Commit the offsets in a transaction of their own, before the rows."""

    def apply(self: Applier, batch: Batch, sifting: Sifting | None = None) -> None:
        del sifting
        self._transactions.run(moved(self, batch))
        self._probe(Point.OFFSETS)
        self._transactions.run(handled(self, batch))
        self._probe(Point.COMMITTED)

    Applier.apply = apply  # type: ignore[method-assign]  # the bug


def commit_outside() -> None:
    """Commit the rows in a transaction of their own, and the offsets later."""

    def apply(self: Applier, batch: Batch, sifting: Sifting | None = None) -> None:
        del sifting
        self._transactions.run(handled(self, batch))
        self._probe(Point.OFFSETS)
        self._transactions.run(moved(self, batch))
        self._probe(Point.COMMITTED)

    Applier.apply = apply  # type: ignore[method-assign]  # the bug


def moved(applier: Applier, batch: Batch) -> Application:
    """Only the offsets."""
    yield from moving(applier.definition, applier.seat.group, batch.moves)


def handled(applier: Applier, batch: Batch) -> Application:
    """Only the rows."""
    yield from applying.handling(applier.definition, applying.decoded(batch.arrivals))


def reset_earliest() -> None:
    """Begin with what Kafka still holds where it no longer holds an offset."""
    config = KafkaSettings.config

    def lenient(self: KafkaSettings, **settings: Any) -> dict[str, Any]:
        if settings.get("auto_offset_reset") == "error":
            settings["auto_offset_reset"] = "earliest"
        return config(self, **settings)

    KafkaSettings.config = lenient  # type: ignore[method-assign]  # the bug


def stale_offsets() -> None:
    """Trust, after a rebalance, the offsets that were read when a partition came first.

    The compare-and-set would stop it, so this bug goes with the first one.
    """
    no_cas()
    load, known = Assignment._load, dict[Place, Reached]()

    def remembered(self: Assignment, places: Iterable[Place]) -> Mapping[Place, Reached]:
        found = load(self, places)
        return {place: known.setdefault(place, reached) for place, reached in found.items()}

    Assignment._load = remembered  # type: ignore[method-assign]  # the bug


def skip_poison() -> None:
    """Pass an event that cannot be applied, and tell nobody."""

    def pass_over(self: Lane, portion: Portion, failed: HandlerFailed, attempts: int) -> None:
        del failed, attempts
        self._through_outages([portion._replace(arrivals=[])])

    Lane._give_in = pass_over  # type: ignore[method-assign]  # the bug


BUGS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "no-cas": no_cas,
        "offset-first": offset_first,
        "commit-outside": commit_outside,
        "reset-earliest": reset_earliest,
        "stale-offsets": stale_offsets,
        "skip-poison": skip_poison,
    }
)


def plant(name: str) -> None:
    """Plant one bug in this process."""
    BUGS[name]()
