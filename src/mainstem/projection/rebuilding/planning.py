"""What a rebuild is going to do, decided from the class and the options; pure.

Theory of operation. A rebuild fills tables of the same names in a schema of its own, the shadow,
under a consumer group of its own, while the old tables serve. The shadow keeps its offsets as any
projection does: in the transaction that writes the rows. So a rebuild that was killed goes on
where it was, as long as the code that made the first half is the code that makes the second:
the shadow's mark carries a fingerprint of it.

At the end a single transaction exchanges the tables and gives the serving group the shadow's
offsets. A projector that runs meanwhile finds its offsets moved, and goes on from the new ones.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from mainstem.errors import ConfigurationError, DecodeError
from mainstem.event import parse_lsn, to_millis
from mainstem.kafka.delivered import Place
from mainstem.postgres import naming
from mainstem.projection.definition import Definition, Projection
from mainstem.projection.seat import Seat

REBUILD: Final = "rebuild"
TRIAL: Final = "trial"
"""A dry run has tables of its own, and so leaves a rebuild alone that waits to be resumed."""
OLD: Final = "old"
MARK: Final = "mainstem"
FINGERPRINT_DIGITS: Final = 16
PLACE_TEXT: Final = re.compile(r"([a-z_][a-z0-9_]*)\[(\d{1,6})\]@(\d{1,18})")


class FromTime(NamedTuple):
    """Begin with the first event of each partition that is not older."""

    timestamp_ms: int


class FromLsn(NamedTuple):
    """Begin with the first event that committed at this position, or later."""

    lsn: int


class FromOffset(NamedTuple):
    """Begin one partition at an offset."""

    place: Place
    offset: int


Beginning: TypeAlias = FromTime | FromLsn | FromOffset


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """Names and conditions of one rebuild."""

    definition: Definition
    """With offsets in our own table: those of the shadow always are."""
    serving: Seat
    shadow: Seat
    old_schema: str
    """Where the replaced tables go."""
    original_offsets: str | None
    """Quoted name of the table of the Java original's form that the serving group uses."""
    beginnings: tuple[Beginning, ...]
    fingerprint: str

    @property
    def mark(self) -> str:
        """The comment of the shadow's schema: ours, of this version, made by this code."""
        return f"{MARK}: {self.shadow.group} by {self.fingerprint}"


def plan_rebuild(
    definition: Definition, beginnings: Iterable[str] = (), *, trial: bool = False
) -> RebuildPlan:
    """What is to be done for a projection; ConfigurationError where it cannot be rebuilt.

    `beginnings` are positions as people write them; none means: from the first event.
    `trial`: the tables are not to serve, only to be compared.
    """
    if not definition.tables:
        raise ConfigurationError(
            f"the projection {definition.name} does not say which tables it writes to",
            hint='tables = ("revenue_by_country",)',
        )
    positions = tuple(parse_beginning(text) for text in beginnings)
    check_topics(definition, positions)
    purpose = TRIAL if trial else REBUILD
    shadow = Seat(
        f"{definition.group}.{purpose}", naming.checked(f"{definition.name}_{purpose}", "schema")
    )
    return RebuildPlan(
        replace(definition, offsets=None),
        definition.seat,
        shadow,
        naming.checked(f"{definition.name}_{OLD}", "schema"),
        definition.offsets,
        positions,
        fingerprint(definition, positions),
    )


def parse_beginning(text: str) -> Beginning:
    """A time with its zone, a WAL position, or a place; ConfigurationError for anything else."""
    if found := PLACE_TEXT.fullmatch(text):
        return FromOffset(Place(found[1], int(found[2])), int(found[3]))
    try:
        if "/" in text:
            return FromLsn(parse_lsn(text))
        moment = datetime.fromisoformat(text)
    except (ValueError, DecodeError) as error:
        raise ConfigurationError(
            f"{text!r} is no position",
            hint="2026-01-31T00:00:00Z, 0/2A1DC28 or order_events[3]@1200",
        ) from error
    return FromTime(to_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))


def check_topics(definition: Definition, positions: Iterable[Beginning]) -> None:
    """ConfigurationError where a place is of a topic that the projection does not read."""
    for position in positions:
        if isinstance(position, FromOffset) and position.place.topic not in definition.topics:
            raise ConfigurationError(
                f"the projection {definition.name} does not read {position.place.topic}"
            )


def fingerprint(definition: Definition, positions: Iterable[Beginning]) -> str:
    """Changes with the source of the class, and with where the rebuild begins.

    What the class calls elsewhere is not in it: `--restart` is for that.
    """
    digest = hashlib.sha256(repr((definition.topics, definition.ddl, *positions)).encode())
    for cls in type(definition.projection).__mro__:
        if issubclass(cls, Projection) and cls is not Projection:
            digest.update(source_of(cls).encode())
    return digest.hexdigest()[:FINGERPRINT_DIGITS]


def source_of(cls: type) -> str:
    """The text of a class; its name where there is no text, as in an interactive session."""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return f"{cls.__module__}.{cls.__qualname__}"


def first_lsn(positions: Iterable[Beginning]) -> int:
    """Events that committed before it are left out; 0 for none."""
    return max((each.lsn for each in positions if isinstance(each, FromLsn)), default=0)


def beyond(reached: Mapping[Place, int], until: Mapping[Place, int]) -> bool:
    """Whether one of these partitions is ahead of where another group is."""
    return any(offset > until.get(place, 0) for place, offset in reached.items())


def behind(reached: Mapping[Place, int], until: Mapping[Place, int]) -> int:
    """How many offsets are still to come; markers of transactions count too."""
    return sum(max(0, end - reached.get(place, 0)) for place, end in until.items())


def furthest(*ends: Mapping[Place, int]) -> dict[Place, int]:
    """The furthest offset of each partition."""
    merged: dict[Place, int] = {}
    for each in ends:
        for place, offset in each.items():
            merged[place] = max(offset, merged.get(place, 0))
    return merged


def nearest(until: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    """These offsets, but none beyond the end of its partition."""
    return {place: min(end, ends[place]) for place, end in until.items() if place in ends}
