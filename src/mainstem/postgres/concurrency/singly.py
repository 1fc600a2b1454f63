"""Singly: events into a table of ours by numbers or ids, each by itself; pure.

Nothing is locked beforehand. A save puts its event at the version behind the last one that it
sees, and the unique (key, version) lets one of those through that saw the same. Whoever was not
let through looks: the event_id may be there already, or the stream may not be as expected; else
the save lost a race that did not matter to it, and is tried again.

What a unique constraint forbids is left out by ON CONFLICT, so that one event neither aborts the
caller's transaction nor harms the others of its statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from mainstem.errors import MainstemError, ServerUnavailable, TableChanged, TransactionFailed
from mainstem.event import StoredEvent
from mainstem.postgres.concurrency import statements
from mainstem.postgres.concurrency.judging import (
    ATTEMPTS_MAX,
    Ground,
    Item,
    Outcome,
    Place,
    appended,
    dropped,
    judged,
    look,
    overtaken,
)
from mainstem.postgres.concurrency.statements import ANY_VERSION
from mainstem.postgres.concurrency.together import insert_all
from mainstem.postgres.packing import batches
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Target


def alone(ground: Ground, item: Item) -> Plan[StoredEvent[Any]]:
    """Append one item, in whosever transaction; ConcurrencyConflict if it is not to go in."""
    head = None
    for _ in range(ATTEMPTS_MAX):
        insertion = statements.append_each(ground.target, (item.draft,))
        answer = yield insertion._replace(commits=ground.own)
        if answer:
            ((id_, _, _, version),) = answer
            return appended(ground.topic, item, (id_, version))
        (found,) = yield from look(ground.target, (item,))
        outcome = yield from judged(ground, item, found, head)
        if isinstance(outcome, MainstemError):
            raise outcome
        if outcome is not None:
            return outcome
        head = found.head
    raise overtaken()


def each(ground: Ground, items: Sequence[Item]) -> Plan[list[Outcome]]:
    """Append each item by itself, many by one statement; answers their outcomes in their order.

    It is for connections of our own: each statement commits, and whatever goes wrong is an
    outcome. Only TableChanged is raised, if nothing was saved before.
    """
    assert ground.own, "each of them is a transaction"
    rounds = Rounds(ground, items)
    for _ in range(ATTEMPTS_MAX):
        pending = rounds.pending()
        if not pending:
            break
        if not (yield from rounds.crowded(pending)):
            for part in parts(items, first_of_each(ground.target, items, pending)):
                yield from rounds.run(part)
    return rounds.results()


class Rounds:
    """The outcomes so far of items that are appended each by itself."""

    def __init__(self, ground: Ground, items: Sequence[Item]) -> None:
        """Nothing has been tried."""
        self._ground = ground
        self._items = items
        self._outcomes: dict[int, Outcome] = {}
        self._heads: dict[int, int] = {}
        self._crowds = True

    def pending(self) -> list[int]:
        """Which items have no outcome yet, sorted so that two batches never wait in a ring."""
        places = [place for place in range(len(self._items)) if place not in self._outcomes]
        return sorted(places, key=self._rank)

    def results(self) -> list[Outcome]:
        """All outcomes; an item without one was tried often enough."""
        return [self._outcomes.get(place) or overtaken() for place in range(len(self._items))]

    def crowded(self, pending: Sequence[int]) -> Plan[bool]:
        """Append at once what expects nothing but shares keys; False if that is not the case."""
        items = [self._items[place] for place in pending]
        if not (self._crowds and all(map(is_free, items))):
            return False
        if len({item.draft.row.key for item in items}) == len(items):
            return False
        # Tried once: with other writers on the same keys, each by itself gets on better.
        self._crowds = False
        try:
            places = yield from insert_all(self._ground, items)
        except ServerUnavailable as error:
            self._lose(pending, error)
            return True
        except MainstemError:
            return False
        if 0 < len(places) < len(items):
            self._outcomes |= {place: dropped(self._ground.topic) for place in pending}
        for place, item, found in zip(pending, items, places, strict=False):
            self._outcomes.setdefault(place, appended(self._ground.topic, item, found))
        return bool(places)

    def run(self, part: Sequence[int]) -> Plan[None]:
        """Try these once."""
        part = [place for place in part if place not in self._outcomes]
        try:
            yield from self._try(part)
        except ServerUnavailable as error:
            self._lose(part, error)
        except MainstemError as error:
            if isinstance(error, TableChanged) and not self._outcomes:
                raise
            if len(part) == 1:
                self._outcomes[part[0]] = error
            elif isinstance(error, TransactionFailed) and not error.conflict:
                # To try again would wait as long again for each.
                self._outcomes |= {place: error.again() for place in part}
            else:
                # The reason may lie in one of them.
                half = len(part) // 2
                yield from self.run(part[:half])
                yield from self.run(part[half:])

    def _try(self, part: Sequence[int]) -> Plan[None]:
        """One insert for these, and a look at what did not go in."""
        items = [self._items[place] for place in part]
        if not items:
            return
        insertion = statements.append_each(self._ground.target, [item.draft for item in items])
        answer = yield insertion._replace(commits=True)
        for place, item, found in zip(part, items, matched(items, answer), strict=True):
            if found is not None:
                self._outcomes[place] = appended(self._ground.topic, item, found)
        left = [place for place in part if place not in self._outcomes]
        if left:
            yield from self._look(left)

    def _look(self, left: Sequence[int]) -> Plan[None]:
        """Why these did not go in; those without an outcome now may be tried again."""
        founds = yield from look(self._ground.target, [self._items[place] for place in left])
        for place, found in zip(left, founds, strict=True):
            outcome = yield from judged(
                self._ground, self._items[place], found, self._heads.get(place)
            )
            self._heads[place] = found.head
            if outcome is not None:
                self._outcomes[place] = outcome

    def _lose(self, part: Sequence[int], error: ServerUnavailable) -> None:
        """The server is gone: it is unknown what became of these, and all others were not sent."""
        for place in part:
            self._outcomes.setdefault(place, error if len(part) == 1 else error.again())
        for place in range(len(self._items)):
            self._outcomes.setdefault(
                place, ServerUnavailable(f"this save was not carried out: {error.message}")
            )

    def _rank(self, place: int) -> Any:
        """Items that may wait for the same rows are in the same order everywhere."""
        draft = self._items[place].draft
        rank = draft.row.key if self._ground.target.versioned else draft.event_id
        if rank is None:
            return 0
        # Numbers are compared ten times as fast as UUIDs, and in the same order.
        return rank.int if isinstance(rank, UUID) else rank


def is_free(item: Item) -> bool:
    """Whether it expects nothing, so that it can only go in."""
    return item.draft.expected == ANY_VERSION and item.draft.event_id is None


def matched(items: Sequence[Item], answer: Sequence[Sequence[Any]]) -> list[Place | None]:
    """The place of each item that went in: the answer is in the order of the items."""
    rows = iter(answer)
    row = next(rows, None)
    places: list[Place | None] = []
    for item in items:
        found = row is not None and (row[1], row[2]) == (item.draft.row.key, item.draft.event_id)
        places.append((row[0], row[3]) if row is not None and found else None)
        if found:
            row = next(rows, None)
    assert row is None, "each row that went in is one of the items"
    return places


def first_of_each(target: Target, items: Sequence[Item], pending: Sequence[int]) -> list[int]:
    """Those that one statement can append each by itself: keys and event_ids once each."""
    keys: set[Any] = set()
    event_ids: set[Any] = set()
    chosen = []
    for place in pending:
        draft = items[place].draft
        if draft.event_id in event_ids or draft.row.key in keys:
            continue
        chosen.append(place)
        if target.versioned:
            keys.add(draft.row.key)
        if draft.event_id is not None:
            event_ids.add(draft.event_id)
    return chosen


def parts(items: Sequence[Item], places: Sequence[int]) -> Iterator[Sequence[int]]:
    """The places, cut where a statement would hold too much."""
    start = 0
    for chunk in batches([items[place].draft.row for place in places]):
        yield places[start : start + len(chunk)]
        start += len(chunk)
