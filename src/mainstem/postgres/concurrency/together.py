"""Together: several events into a table of ours by numbers or ids, all of them or none; pure.

It is one statement where that is enough. In the caller's transaction a savepoint is around it, so
that a unique constraint which forbids one of the rows costs the caller nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from mainstem.errors import DuplicateRow, MainstemError, TransactionFailed
from mainstem.event import StoredEvent
from mainstem.postgres import statements as transactions
from mainstem.postgres.concurrency import statements
from mainstem.postgres.concurrency.judging import (
    ATTEMPTS_MAX,
    Found,
    Ground,
    Item,
    Place,
    appended,
    conflict,
    dropped,
    first,
    fits,
    look,
    overtaken,
    unseen,
)
from mainstem.postgres.concurrency.statements import ANY_VERSION, Draft
from mainstem.postgres.packing import batches
from mainstem.postgres.plan import Plan

OWN_STEPS: Final = (
    transactions.BEGIN,
    (transactions.COMMIT,),
    (transactions.ROLLBACK,),
)
LENT_STEPS: Final = (
    statements.SAVEPOINT,
    (statements.RELEASE,),
    (statements.ROLLBACK_TO, statements.RELEASE),
)
"""How several inserts begin, end well, and are undone."""


def all_or_none(ground: Ground, items: Sequence[Item]) -> Plan[list[StoredEvent[Any]]]:
    """Append all items, in their order, or raise; what was saved before comes back as it was.

    ConcurrencyConflict if a stream is not as expected, TransactionFailed after too many races.
    """
    known: dict[int, StoredEvent[Any]] = {}
    before: object = None
    for _ in range(ATTEMPTS_MAX):
        rest = [item for place, item in enumerate(items) if place not in known]
        failure: DuplicateRow | None = None
        places: list[Place] = []
        try:
            places = yield from insert_all(ground, rest)
        except DuplicateRow as error:
            failure = error
        except TransactionFailed as error:
            if not (ground.own and error.conflict):
                raise
        if places:
            return in_order(ground.topic, items, known, places)
        founds = yield from look(ground.target, items)
        known = yield from firsts(ground, items, founds)
        if len(known) == len(items):
            return [known[place] for place in range(len(items))]
        refuse_conflicts(ground.topic, items, founds)
        seen = [found.head for found in founds], set(known)
        if failure is not None and seen == before:
            # Nobody was faster: it is a constraint that is not ours.
            raise failure
        before = seen
    raise overtaken()


def insert_all(ground: Ground, items: Sequence[Item]) -> Plan[list[Place]]:
    """Insert all items; answers their places, or none and nothing is inserted.

    DuplicateRow if a unique constraint forbids one; then too nothing is inserted.
    """
    chunks = list(stepped(items))
    if ground.own and len(chunks) == 1:
        statement = statements.append_all(ground.target, chunks[0])
        return list((yield statement._replace(commits=True)))
    begin, end, undo = OWN_STEPS if ground.own else LENT_STEPS
    places: list[Place] = []
    yield begin
    try:
        for chunk in chunks:
            answer = yield statements.append_all(ground.target, chunk)
            places += answer
            if len(answer) < len(chunk):
                break
    except MainstemError:
        # What failed is what the caller must hear of, even if this fails too.
        with suppress(MainstemError):
            for step in undo:
                yield step
        raise
    for step in end if len(places) == len(items) else undo:
        yield step
    return places if answer else []


def stepped(items: Sequence[Item]) -> Iterator[list[Draft]]:
    """The drafts in bounded pieces, those of one stream numbered one behind the other.

    What is expected of a stream is looked at once: later pieces find the earlier ones in it.
    """
    begun: set[Any] = set()
    rows = [item.draft.row for item in items]
    start = 0
    for chunk in batches(rows):
        steps: dict[Any, int] = {}
        drafts = []
        for item in items[start : start + len(chunk)]:
            draft = item.draft
            steps[draft.row.key] = steps.get(draft.row.key, 0) + 1
            expected = ANY_VERSION if draft.row.key in begun else draft.expected
            drafts.append(draft._replace(expected=expected, step=steps[draft.row.key]))
        yield drafts
        start += len(chunk)
        begun.update(steps)


def firsts(
    ground: Ground, items: Sequence[Item], founds: Sequence[Found]
) -> Plan[dict[int, StoredEvent[Any]]]:
    """The events that were saved before with the ids of these items, by their places."""
    known = {}
    for place, (item, found) in enumerate(zip(items, founds, strict=True)):
        if found.first is not None:
            known[place] = yield from first(ground, item, found.first)
    return known


def refuse_conflicts(topic: str, items: Sequence[Item], founds: Sequence[Found]) -> None:
    """Raise for what keeps the items out for good; return if they may be tried again."""
    partly = any(found.first is not None for found in founds)
    for item, found in zip(items, founds, strict=True):
        expected = item.draft.expected
        if not fits(expected, found.head) or (partly and expected >= 0):
            raise conflict(topic, expected, found.head)
        if not found.fresh:
            raise unseen()


def in_order(
    topic: str,
    items: Sequence[Item],
    known: dict[int, StoredEvent[Any]],
    places: Sequence[Place],
) -> list[StoredEvent[Any]]:
    """The known events and the new ones, in the order of the items."""
    if len(known) + len(places) < len(items):
        raise dropped(topic)
    new = iter(places)
    return [
        known[place] if place in known else appended(topic, item, next(new))
        for place, item in enumerate(items)
    ]
