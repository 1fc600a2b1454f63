"""Reading in memory: the courses of the real store over pages that come from lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

from mainstem.postgres.drivers.loop import drive
from mainstem.postgres.keys import KEY_TYPES, UNBOUNDED
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.reading.course import AnyCourse
from mainstem.postgres.reading.pages import Page, Pages, Rows
from mainstem.postgres.reading.selection import Selection
from mainstem.postgres.reading.statements import TOPICS, Bounds
from mainstem.postgres.statements import Statement
from mainstem.testing.memory_saving import columns
from mainstem.testing.memory_tables import Kept, MemoryTransaction

PAGE: Final = "a page of a table in memory"
"""In the place of SQL: the parameters are topic, selection and bounds."""
SCOPE: Final = Scope((b"memory", b"", b""), own=True)


class MemoryPages(Pages):
    """Pages of tables in memory; what is decoded and how is the real store's."""

    def rows(self, scope: Scope, topic: str, selection: Selection, bounds: Bounds) -> Plan[Page]:  # noqa: ARG002  # As of Pages.
        """As of Pages."""
        rows: Rows = yield Statement(PAGE, (topic, selection, bounds))
        return Page(rows, ended=len(rows) < bounds.rows_max)


def through(
    course: AnyCourse,
    scope: Callable[[], AbstractContextManager[MemoryTransaction]],
) -> Iterator[Any]:
    """What the course leads to; each page as the transaction of its moment sees the tables."""
    while not course.ended:
        with scope() as transaction:
            events = drive(course.page(SCOPE), partial(perform, transaction))
        yield from events


def perform(transaction: MemoryTransaction, statement: Statement) -> Any:
    """Answer one of the two statements that a course makes."""
    with transaction.database.lock:
        if statement is TOPICS:
            return [(topic,) for topic in transaction.database.topics()]
        assert statement.sql == PAGE, "memory knows no SQL"
        return page(transaction, *statement.params)


def page(
    transaction: MemoryTransaction, topic: str, selection: Selection, bounds: Bounds
) -> list[tuple[Any, ...]]:
    """The next rows of the selection."""
    rows = transaction.visible(topic)
    check_key(transaction, topic, selection)
    wanted = [kept for kept in rows if is_selected(kept, selection)]
    if selection.backwards:
        wanted.reverse()
    if bounds.after is not None:
        wanted = [kept for kept in wanted if is_behind(kept, bounds.after, selection)]
    return [columns(kept) for kept in wanted[: bounds.rows_max]]


def check_key(transaction: MemoryTransaction, topic: str, selection: Selection) -> None:
    """WrongKeyType and ValueOutOfRange for a key that the topic cannot hold."""
    # A topic that nobody declared or saved to has no type of keys yet.
    if selection.key is not None and topic in transaction.database.topics():
        options = transaction.database.table(topic).options
        KEY_TYPES[options.key_type].exact(selection.key, UNBOUNDED)


def is_selected(kept: Kept, selection: Selection) -> bool:
    """Whether key and time are those of the selection."""
    moment, since, until = kept.row.timestamp, selection.since, selection.until
    return (
        (selection.key is None or kept.row.key == selection.key)
        and (since is None or moment >= since)
        and (until is None or moment < until)
    )


def is_behind(kept: Kept, after: int, selection: Selection) -> bool:
    """Whether a row lies behind this id in the direction of reading."""
    return kept.id < after if selection.backwards else kept.id > after
