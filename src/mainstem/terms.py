"""Terms of a save: which state of the stream it expects, and what makes a repeated one harmless.

A stream is the events of one topic with one key; in a versioned topic they are numbered from 1.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import UUID

from mainstem.event import Key, StoredEvent


class Expected(enum.Enum):
    """What a stream may be like before a save, where not its exact version is meant."""

    ANY = "any"
    """Whatever it holds."""
    NO_STREAM = "no-stream"
    """It holds no event; the same as version 0."""
    EXISTS = "exists"
    """It holds an event at least."""


ANY: Final = Expected.ANY
NO_STREAM: Final = Expected.NO_STREAM
EXISTS: Final = Expected.EXISTS

ExpectedVersion: TypeAlias = int | Expected
"""The version of the stream's last event (0: no event), or one of ANY, NO_STREAM, EXISTS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events of a topic are meant: those that fit everything that is given."""

    key: Key | None = None
    types: tuple[type | str, ...] = ()
    """Payload classes, or Avro full names; none means all."""
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Entries that an event must carry, all of them: tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendCondition:
    """No event that fits the query may have been saved after the decision was made.

    `after` is the highest id that the decision knew. Ids are no commit order: an event with a
    lower id that committed later is noticed by `snapshot`, which `store.query` fills in.
    """

    none_match: EventQuery
    after: int = 0
    snapshot: str | None = None
    """PostgreSQL's pg_snapshot of the reading that the decision was made on."""
    known: tuple[int, ...] = ()
    """Ids of events that the decision was given, and that the snapshot alone does not vouch for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decision is made on, and the condition under which its outcome may be saved."""

    events: tuple[StoredEvent[Any], ...]
    """All that fit the query, in the order of their ids."""
    condition: AppendCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything that one call of save or save_many may ask for, checked by who carries it out."""

    expected_version: ExpectedVersion = ANY
    event_ids: tuple[UUID, ...] | None = None
    """One for each event, or None."""
    append_condition: AppendCondition | None = None


NO_TERMS: Final = Terms()
