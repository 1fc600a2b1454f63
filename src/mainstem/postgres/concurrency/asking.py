"""Asking: the terms of a save, checked against the events and the table that they are for; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from mainstem.errors import ConfigurationError, EventRefused
from mainstem.postgres.concurrency.statements import ANY_VERSION, SOME_VERSION
from mainstem.postgres.reading.selection import checked_place
from mainstem.postgres.statements import Row, Target
from mainstem.terms import (
    ANY,
    EXISTS,
    NO_STREAM,
    AppendCondition,
    EventQuery,
    Expected,
    ExpectedVersion,
    Terms,
)

VERSION_MAX: Final = 2**63 - 1
SNAPSHOT: Final = re.compile(r"\d{1,20}:\d{1,20}:(\d{1,20}(,\d{1,20})*)?")
"""How PostgreSQL prints a pg_snapshot."""
GUARDED: Final = {
    "version": "version bigint NOT NULL, guarded by UNIQUE (key, version)",
    "event_id": "event_id uuid, guarded by UNIQUE (event_id)",
}
"""The columns that terms need; one that is only called so is none of ours."""
CODES: Final[dict[Expected, int]] = {ANY: ANY_VERSION, EXISTS: SOME_VERSION, NO_STREAM: 0}


class Asked(NamedTuple):
    """What a save asks for, in a form that statements take."""

    expected: int
    """An exact version, ANY_VERSION or SOME_VERSION."""
    event_ids: Sequence[UUID | None]
    condition: AppendCondition | None
    appends: bool
    """Whether the table's own columns take part, be it only to number the events."""


def asked(topic: str, target: Target, rows: Sequence[Row], terms: Terms) -> Asked:
    """The terms, fit for this table; ConfigurationError or EventRefused if they are not."""
    expected = version_code(terms.expected_version)
    if expected != ANY_VERSION and not target.versioned:
        raise lacking(topic, "expected_version=", "version", "--versioned")
    if expected > 0 and len(rows) > 1 and len({row.key for row in rows}) > 1:
        raise ConfigurationError(
            f"expected_version={expected} is meant for one stream, but the events have several keys"
        )
    identified = terms.event_ids is not None
    if identified and not target.idempotent:
        raise lacking(topic, "event_id=", "event_id", "--idempotent")
    event_ids = checked_ids(terms.event_ids, len(rows))
    condition = checked_condition(terms.append_condition)
    return Asked(expected, event_ids, condition, target.versioned or identified)


def version_code(expected: ExpectedVersion) -> int:
    """The number that statements take for this expectation."""
    if isinstance(expected, Expected):
        return CODES[expected]
    if isinstance(expected, bool) or not isinstance(expected, int):
        raise ConfigurationError(
            f"expected_version= takes a version or one of ANY, NO_STREAM and EXISTS,"
            f" not {type(expected).__name__}"
        )
    if not 0 <= expected <= VERSION_MAX:
        raise ConfigurationError(
            f"expected_version={expected} is no version: they begin with 1, and 0 is no event"
        )
    return expected


def checked_ids(event_ids: Sequence[UUID] | None, count: int) -> Sequence[UUID | None]:
    """One id for each event, all different, or None for each."""
    if event_ids is None:
        return [None] * count
    if len(event_ids) != count:
        raise EventRefused(f"{len(event_ids)} event_ids for {count} events; one for each is needed")
    stranger = next((each for each in event_ids if not isinstance(each, UUID)), None)
    if stranger is not None or None in event_ids:
        raise EventRefused(f"an event_id must be a UUID, not {type(stranger).__name__}")
    if len(set(event_ids)) < count:
        raise EventRefused("two events of one save have the same event_id")
    return event_ids


def checked_condition(condition: AppendCondition | None) -> AppendCondition | None:
    """The condition, if it can be one."""
    if condition is not None and not (
        isinstance(condition, AppendCondition) and isinstance(condition.none_match, EventQuery)
    ):
        raise ConfigurationError(
            f"append_condition= takes an AppendCondition, not {type(condition).__name__}"
        )
    if condition is not None:
        checked_place(condition.after)
        if condition.snapshot is not None and not SNAPSHOT.fullmatch(condition.snapshot):
            raise ConfigurationError(
                "append_condition= holds a snapshot that is none",
                hint="take the condition as store.query() gives it",
            )
    return condition


def lacking(topic: str, what: str, column: str, option: str) -> ConfigurationError:
    """The error for terms that the table has no column for, or only one of the same name."""
    return ConfigurationError(
        f"{what} needs a column that events.{topic} does not have: {GUARDED[column]}",
        hint="a topic gets it when it is created:"
        f" mainstem topic create NAME --versioned --idempotent ({option} alone is enough here)",
    )
