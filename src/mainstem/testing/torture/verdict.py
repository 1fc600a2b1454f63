"""The verdict: what the store holds against what its writers were told; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias
from uuid import UUID

from mainstem.testing.torture.stores import Followed

BEGIN_TOKEN: Final = "begin:"  # noqa: S105 - no secret: events of before the torture
END_TOKEN: Final = "end"  # noqa: S105 - the last event of a run

Present: TypeAlias = Mapping[UUID, Sequence[tuple[int, str]]]
"""What the store holds in the end: version and token of each event of each key."""


@dataclass(slots=True)
class Ledger:
    """What one writer was told about each of its tokens."""

    saved: dict[str, tuple[UUID, int]] = field(default_factory=dict)
    """Key and version by token."""
    conflicts: list[str] = field(default_factory=list)
    rolled_back: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    wrong_versions: int = 0
    """Answers that were not the expected version and one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures of what happened, and counts of broken promises."""

    events: int
    saved: int
    conflicts: int
    rolled_back: int
    unknown: int
    unknown_saved: int
    """Of the unknown ones, those that the store turned out to hold."""
    followed: int | None
    broken: Mapping[str, int]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.broken.values())


def judged(
    present: Present,
    ledgers: Iterable[Ledger],
    order: Sequence[str] | None,
    followed: Sequence[Followed] | None,
) -> Verdict:
    """Hold the store's events against the ledgers, and the follower's against the store's."""
    ledgers = list(ledgers)
    saved = {token: told for ledger in ledgers for token, told in ledger.saved.items()}
    refused = [t for ledger in ledgers for t in (*ledger.conflicts, *ledger.rolled_back)]
    unknown = {token for ledger in ledgers for token in ledger.unknown}
    found = {token: (key, v) for key, events in present.items() for v, token in events}
    counts = Counter(token for events in present.values() for _, token in events)
    broken = {
        "keys_with_gaps_or_repeats": sum(not numbered(events) for events in present.values()),
        "wrong_answers": sum(ledger.wrong_versions for ledger in ledgers),
        "lost": sum(found.get(token) != told for token, told in saved.items()),
        "doubled": sum(count - 1 for count in counts.values()),
        "saved_though_refused": sum(token in found for token in refused),
        "of_nobody": sum(t not in saved and t not in unknown for t in found) - len(
            found.keys() & set(refused)
        ),
    }  # fmt: skip
    if followed is not None:
        broken |= followed_wrong(found, order, followed)
    return Verdict(
        events=counts.total(),
        saved=len(saved),
        conflicts=sum(len(ledger.conflicts) for ledger in ledgers),
        rolled_back=sum(len(ledger.rolled_back) for ledger in ledgers),
        unknown=len(unknown),
        unknown_saved=len(unknown & found.keys()),
        followed=None if followed is None else len(followed),
        broken=broken,
    )


def numbered(events: Sequence[tuple[int, str]]) -> bool:
    """Whether the versions are 1, 2, 3, … without gap or repeat."""
    return [version for version, _ in events] == list(range(1, len(events) + 1))


def followed_wrong(
    found: Mapping[str, tuple[UUID, int]], order: Sequence[str] | None, followed: Sequence[Followed]
) -> dict[str, int]:
    """What a follower lost, doubled, made up or put in another order."""
    counts = Counter(event.token for event in followed)
    return {
        "follow_lost": len(expected(found) - counts.keys()),
        "follow_doubled": sum(count - 1 for count in counts.values()),
        "follow_strange": sum(found.get(e.token) != (e.key, e.version) for e in followed),
        "follow_reordered": per_key(followed) if order is None else inversions(order, followed),
    }


def expected(found: Iterable[str]) -> set[str]:
    """What a follower must have seen: of the events by which it is awaited it may miss some."""
    return {token for token in found if not token.startswith(BEGIN_TOKEN)}


def inversions(order: Sequence[str], followed: Iterable[Followed]) -> int:
    """How often an event came after one that committed later."""
    places = {token: place for place, token in enumerate(order)}
    known = [places[event.token] for event in followed if event.token in places]
    return sum(later < earlier for earlier, later in pairwise(known))


def per_key(followed: Iterable[Followed]) -> int:
    """How often a version came after a later one of its key; all that is known without an order."""
    last: dict[UUID, int] = {}
    wrong = 0
    for event in followed:
        wrong += event.version < last.get(event.key, 0)
        last[event.key] = event.version
    return wrong
