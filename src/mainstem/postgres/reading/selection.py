"""Selection: which events of a topic are wanted, checked when it is built; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from mainstem.errors import ConfigurationError, NaiveDatetime
from mainstem.event import Key
from mainstem.schema.declare import type_name

ID_MAX: Final = 2**63 - 1

TypeFilter: TypeAlias = Iterable[type | str]
"""Payload types by their classes or their Avro full names; none means all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events, in which direction, and how many; `since` is inclusive, `until` is not.

    Raises ConfigurationError for a limit that is no count, and NaiveDatetime.
    """

    key: Key | None = None
    backwards: bool = False
    limit: int | None = None
    types: frozenset[str] = frozenset()
    """Avro full names; empty means all."""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        limit = self.limit
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise ConfigurationError(f"limit= takes a number of events, not {limit!r}")
        if limit is not None and limit < 0:
            raise ConfigurationError(f"limit= must not be negative, as {limit} is")
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.utcoffset() is None:
                raise NaiveDatetime(f"{name}={moment.isoformat()} has no time zone")


EVERYTHING = Selection()


def type_names(types: TypeFilter) -> frozenset[str]:
    """The Avro full names of these types; UndeclaredPayload for a class that has none."""
    if isinstance(types, str):
        raise ConfigurationError(
            "types= takes several types, not one name", hint=f"write types=({types!r},)"
        )
    return frozenset(each if isinstance(each, str) else type_name(each) for each in types)


def checked_place(after: object) -> int | None:
    """The id to go on behind; ConfigurationError for what is no id."""
    if after is None:
        return None
    if not isinstance(after, int) or isinstance(after, bool):
        raise ConfigurationError(
            f"after= takes the id of an event here, not {type(after).__name__}"
        )
    if not -ID_MAX <= after <= ID_MAX:
        raise ConfigurationError(f"after={after} is no id of an event: they have 64 bits")
    return after
