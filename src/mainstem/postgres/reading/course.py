"""Courses: the way through one topic or several, page by page, as both faces go it.

A course is driven by plans that are complete in themselves: between two of them nothing is open,
no transaction and no cursor, so a reader may take its time or leave at any event.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from mainstem.errors import ConfigurationError, MainstemError
from mainstem.event import StoredEvent
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.reading.decoding import StoredRow, raw_rows
from mainstem.postgres.reading.pages import Page, Pages, matching
from mainstem.postgres.reading.selection import EVERYTHING, Selection, checked_place
from mainstem.postgres.reading.statements import PAGE_BYTES_MAX, PAGE_ROWS_MAX, Bounds

TOPICS_MAX: Final = 256
"""Topics that one pattern may mean: a page of each is held in memory."""
TOPIC_BYTES_MIN: Final = 65_536
PATTERN_SIGNS: Final = frozenset("*?[")


Place: TypeAlias = int | Mapping[str, int] | None
"""Where to go on: behind an id, or for a pattern behind an id of each topic."""


class AnyCourse(Protocol):
    """What a face goes through, whatever the number of topics."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to read."""

    def page(self, scope: Scope) -> Plan[Any]:
        """The next events, perhaps none."""


@dataclass(slots=True)
class Lane:
    """One topic of a course: how far it was read, and what of it waits to be given."""

    topic: str
    after: int | None
    ended: bool = False
    events: deque[StoredEvent[Any]] = field(default_factory=deque)
    failure: MainstemError | None = None

    def passed(self, page: Page) -> None:
        """Go on behind these rows."""
        if page.rows:
            self.after = page.rows[-1][0]
        self.ended = page.ended

    def failed(self) -> MainstemError:
        """The error, which nothing here refers to any more: the lane ends with it."""
        assert self.failure is not None, "the lane has not failed"
        failure, self.failure, self.ended = self.failure, None, True
        return failure


class Course:
    """Through one topic, in the order of its ids."""

    def __init__(
        self, pages: Pages, topic: str, selection: Selection, after: int | None = None
    ) -> None:
        """Nothing is read yet; ConfigurationError for an `after` that is no id."""
        self._pages, self._selection = pages, selection
        self._lane = Lane(topic, checked_place(after))
        self._left = selection.limit

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to read."""
        lane = self._lane
        return self._left == 0 or (lane.ended and lane.failure is None)

    def page(self, scope: Scope) -> Plan[Sequence[StoredEvent[Any]]]:
        """The next events, perhaps none; DecodeError where one cannot be read."""
        lane = self._lane
        if lane.failure is not None:
            raise lane.failed()
        events = yield from fill(self._pages, scope, lane, self._selection, self._bounds())
        if self._left is not None:
            events = events[: self._left]
            self._left -= len(events)
        return events

    def _bounds(self) -> Bounds:
        """Room for no more rows than are wanted, if each row is an event that is wanted."""
        if self._left is None or self._selection.types:
            return Bounds(self._lane.after)
        return Bounds(self._lane.after, min(PAGE_ROWS_MAX, self._left))


class MergedCourse:
    """Through the topics that a pattern means, merged by time."""

    def __init__(
        self,
        pages: Pages,
        pattern: str,
        selection: Selection,
        after: Mapping[str, int] | None = None,
    ) -> None:
        """Nothing is read yet, not even which topics these are."""
        self._pages, self._pattern, self._selection = pages, pattern, selection
        self._after = {topic: checked_place(place) for topic, place in (after or {}).items()}
        self._lanes: list[Lane] | None = None
        self._left = selection.limit

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to read."""
        lanes = self._lanes
        return self._left == 0 or (
            lanes is not None
            and all(lane.ended and not lane.events and lane.failure is None for lane in lanes)
        )

    def page(self, scope: Scope) -> Plan[Sequence[StoredEvent[Any]]]:
        """The next events, perhaps none; DecodeError where one cannot be read."""
        if self._lanes is None:
            self._lanes = yield from self._found()
        room = max(TOPIC_BYTES_MIN, PAGE_BYTES_MAX // len(self._lanes))
        for lane in self._lanes:
            if not lane.events and lane.failure is None and not lane.ended:
                bounds = Bounds(lane.after, bytes_max=room)
                events = yield from fill(self._pages, scope, lane, self._selection, bounds)
                lane.events.extend(events)
            if lane.failure is not None and not lane.events:
                raise lane.failed()
        if any(not lane.events and not lane.ended for lane in self._lanes):
            # A page without a wanted event: others may use the connection before the next one.
            return []
        events = merged(self._lanes, self._left)
        if self._left is not None:
            self._left -= len(events)
        return events

    def _found(self) -> Plan[list[Lane]]:
        """The topics, each from its place; UnknownTopic, ConfigurationError if they are many."""
        topics = yield from matching(self._pattern)
        if len(topics) > TOPICS_MAX:
            raise ConfigurationError(
                f"{self._pattern!r} matches {len(topics)} topics; at most {TOPICS_MAX} are merged"
            )
        strangers = sorted(set(self._after) - set(topics))
        if strangers:
            raise ConfigurationError(
                f"after= names {strangers[0]!r}, which {self._pattern!r} does not match"
            )
        return [Lane(topic, self._after.get(topic)) for topic in topics]


class RowCourse:
    """Through one topic without decoding anything."""

    def __init__(self, pages: Pages, topic: str, after: int | None, limit: int | None) -> None:
        """Nothing is read yet; ConfigurationError for what is no id and no limit."""
        self._pages, self._lane = pages, Lane(topic, checked_place(after))
        self._left = replace(EVERYTHING, limit=limit).limit

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to read."""
        return self._left == 0 or self._lane.ended

    def page(self, scope: Scope) -> Plan[Iterable[StoredRow]]:
        """The next rows; DecodeError for one whose time Python does not know."""
        lane = self._lane
        rows_max = PAGE_ROWS_MAX if self._left is None else min(PAGE_ROWS_MAX, self._left)
        bounds = Bounds(lane.after, rows_max)
        page = yield from self._pages.rows(scope, lane.topic, EVERYTHING, bounds)
        lane.passed(page)
        if self._left is not None:
            self._left -= len(page.rows)
        return raw_rows(lane.topic, page.rows)


def fill(
    pages: Pages, scope: Scope, lane: Lane, selection: Selection, bounds: Bounds
) -> Plan[list[StoredEvent[Any]]]:
    """The wanted events of the lane's next page; an error behind them waits in the lane."""
    answer, page = yield from pages.events(scope, lane.topic, selection, bounds)
    lane.passed(page)
    lane.failure = answer.failure
    return answer.events


def merged(lanes: Sequence[Lane], limit: int | None) -> list[StoredEvent[Any]]:
    """The events up to where a lane must be read again, the earliest head always first.

    Each lane keeps the order of its ids: a head that is late holds back what stands behind it.
    """
    heads = [(head_of(lane), index) for index, lane in enumerate(lanes) if lane.events]
    heapq.heapify(heads)
    events: list[StoredEvent[Any]] = []
    while heads and (limit is None or len(events) < limit):
        _, index = heads[0]
        lane = lanes[index]
        events.append(lane.events.popleft())
        if lane.events:
            heapq.heapreplace(heads, (head_of(lane), index))
        elif not lane.ended or lane.failure is not None:
            break
        else:
            heapq.heappop(heads)
    return events


def head_of(lane: Lane) -> tuple[datetime, str]:
    """What the next event of a lane is ordered by; within a lane ids decide."""
    return lane.events[0].timestamp, lane.topic


def is_pattern(topic: str) -> bool:
    """Whether it means several topics."""
    return not PATTERN_SIGNS.isdisjoint(topic)


def course_of(pages: Pages, topic: str, selection: Selection, after: Place) -> AnyCourse:
    """The course through a topic or a pattern; ConfigurationError if `after` does not fit it."""
    if not is_pattern(topic):
        if isinstance(after, Mapping):
            raise ConfigurationError(
                "after= takes the id of an event for one topic, a mapping only for a pattern"
            )
        return Course(pages, topic, selection, after)
    if after is not None and not isinstance(after, Mapping):
        raise ConfigurationError(
            "after= takes a mapping from topic to id for a pattern: ids of topics do not compare"
        )
    return MergedCourse(pages, topic, selection, after)
