"""Writing: which waiting saves share a statement, and what each of them is told; pure.

Saves that wait at the same time are written by one INSERT for each topic, and so by one commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from mainstem.errors import MainstemError, OutcomeUnknown
from mainstem.event import StoredEvent
from mainstem.postgres.packing import BATCH_EVENTS_MAX
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.sharing import Outcome, lost, not_sent

S = TypeVar("S")

WAITING_EVENTS_MAX: Final = 10_000
"""Saves that may wait for their turn; whoever comes then waits to be let in."""


@dataclass(slots=True, eq=False)
class Waiter(Generic[S]):
    """A save that waits for its turn, and what its caller waits on."""

    topic: str
    single: Single
    signal: S


class Queue(Generic[S]):
    """The saves that wait, first come first served, with a bound."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiters: deque[Waiter[S]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiters)

    @property
    def full(self) -> bool:
        """Whether nobody more is let in."""
        return len(self._waiters) >= WAITING_EVENTS_MAX

    def enter(self, waiter: Waiter[S]) -> None:
        """Wait behind all the others."""
        self._waiters.append(waiter)

    def enter_first(self, waiters: Sequence[Waiter[S]]) -> None:
        """Let these, whose turn came to nothing, be the next ones again."""
        self._waiters.extendleft(reversed(waiters))

    def leave(self, waiter: Waiter[S]) -> bool:
        """Give up waiting; False if its turn has come already."""
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def first(self) -> Waiter[S] | None:
        """The one that has waited longest, which leaves; None if nobody waits."""
        return self._waiters.popleft() if self._waiters else None

    def turn(self, share: int = BATCH_EVENTS_MAX) -> list[Waiter[S]]:
        """Those whose turn it is: the first of them, up to this many and up to a bound."""
        count = min(share, BATCH_EVENTS_MAX, len(self._waiters))
        return [self._waiters.popleft() for _ in range(count)]


def writing(saving: Saving, scope: Scope, waiters: Sequence[Waiter[S]]) -> Plan[list[Outcome]]:
    """Save each by itself, though not one by one; answers the outcomes in their order."""
    outcomes: dict[Waiter[S], Outcome] = {}
    for topic, group in by_topic(waiters).items():
        if lost(outcomes.values()):
            outcomes.update((waiter, not_sent()) for waiter in group)
            continue
        singles = [waiter.single for waiter in group]
        try:
            answers = yield from saving.singles(scope, topic, singles)
        except MainstemError as error:
            answers = [error.again() for _ in group]
        except Exception as error:  # noqa: BLE001  # A mistake in one topic must not reach the others.
            answers = [mistaken(error) for _ in group]
        outcomes.update(zip(group, answers, strict=True))
    return [outcomes[waiter] for waiter in waiters]


def by_topic(waiters: Iterable[Waiter[S]]) -> dict[str, list[Waiter[S]]]:
    """The saves of each topic, in their order."""
    groups: dict[str, list[Waiter[S]]] = {}
    for waiter in waiters:
        groups.setdefault(waiter.topic, []).append(waiter)
    return groups


def interrupted(reason: str) -> OutcomeUnknown:
    """The answer for a save that shared a statement which was broken off on this side."""
    return OutcomeUnknown(f"{reason}, so the outcome is unknown: the event is saved or not")


def mistaken(error: BaseException) -> OutcomeUnknown:
    """The answer for saves to a topic where something happened that should not."""
    unknown = interrupted(f"writing was broken off by {type(error).__name__}")
    unknown.__cause__ = error
    return unknown


def told(outcome: Outcome) -> StoredEvent[Any]:
    """The stored event, or the error raised."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
