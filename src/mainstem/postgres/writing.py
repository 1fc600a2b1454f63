"""Writing: which waiting saves share a statement, and what each of them is told; pure.

Saves that wait at the same time are written by one INSERT and so by one commit. If that fails for
a reason that may lie in one event, each is written by itself, so that a bad one fails alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from mainstem.errors import ConnectionMisused, MainstemError, OutcomeUnknown, ServerUnavailable
from mainstem.event import StoredEvent
from mainstem.postgres.packing import BATCH_EVENTS_MAX
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.saving import Saving, Single

S = TypeVar("S")

WAITING_EVENTS_MAX: Final = 10_000
"""Saves that may wait for their turn; whoever comes then waits to be let in."""

Outcome: TypeAlias = StoredEvent[Any] | MainstemError


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
        singles = [waiter.single for waiter in group]
        answers = yield from together(saving, scope, topic, singles, lost(outcomes.values()))
        outcomes.update(zip(group, answers, strict=True))
    return [outcomes[waiter] for waiter in waiters]


def together(
    saving: Saving,
    scope: Scope,
    topic: str,
    singles: Sequence[Single],
    before: ServerUnavailable | None,
) -> Plan[list[Outcome]]:
    """The outcomes of saves to one topic; nothing is sent where the server was lost before."""
    if before is not None:
        return [not_sent(before) for _ in singles]
    try:
        return (yield from saving.singles(scope, topic, singles))
    except ServerUnavailable as error:
        return [error.again() for _ in singles]
    except MainstemError as error:
        if len(singles) == 1:
            return [error]
    # Nothing is saved. The reason may lie in one of them, so each gets a statement of its own.
    outcomes: list[Outcome] = []
    for single in singles:
        outcomes += yield from together(saving, scope, topic, [single], lost(outcomes))
    return outcomes


def by_topic(waiters: Iterable[Waiter[S]]) -> dict[str, list[Waiter[S]]]:
    """The saves of each topic, in their order."""
    groups: dict[str, list[Waiter[S]]] = {}
    for waiter in waiters:
        groups.setdefault(waiter.topic, []).append(waiter)
    return groups


def lost(outcomes: Iterable[Outcome]) -> ServerUnavailable | None:
    """The error after which the connection is of no use, if one of the outcomes is that."""
    return next((error for error in outcomes if isinstance(error, ServerUnavailable)), None)


def not_sent(error: ServerUnavailable) -> ServerUnavailable:
    """The answer for a save whose turn came after the server was lost: it is not saved."""
    return ServerUnavailable(f"nothing of this save was sent: {error.message}")


def interrupted(error: BaseException) -> OutcomeUnknown:
    """The answer for a save that shared a statement whose thread or task was broken off."""
    return OutcomeUnknown(
        f"writing was broken off by {type(error).__name__}, so the outcome is unknown:"
        " the event is saved or not"
    )


def told(outcome: Outcome) -> StoredEvent[Any]:
    """The stored event, or the error raised."""
    if isinstance(outcome, MainstemError):
        raise outcome
    return outcome


def closed_store() -> ConnectionMisused:
    """The error for a store that is used after its end."""
    return ConnectionMisused("the store is closed", hint="open a new one")
