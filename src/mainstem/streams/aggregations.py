"""Aggregations: Quix Streams' own, fed with what a field or a function takes from an event."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from quixstreams.dataframe.windows import aggregations as theirs

from mainstem.event import Event

Taking: TypeAlias = str | Callable[[Any], Any] | None
"""A field of the payload, a function of the stream's value, or the value as it is."""


class Over(theirs.BaseAggregator[Any]):
    """An aggregation of the engine's over what is taken from each value."""

    def __init__(self, inner: theirs.BaseAggregator[Any], of: Taking) -> None:
        """Aggregate by `inner`."""
        self._inner = inner
        self._of = of if isinstance(of, str) else ""
        self._take = taker(of)

    @property
    def state_suffix(self) -> str:
        """Part of the name of its state, which must stay the same between deployments."""
        return f"{self._inner.state_suffix}/{self._of}" if self._of else self._inner.state_suffix

    def initialize(self) -> Any:
        """The state of an empty window."""
        return self._inner.initialize()

    def agg(self, old: Any, new: Any, timestamp: int) -> Any:
        """The state with one value more."""
        return self._inner.agg(old, self._take(new), timestamp)

    def result(self, value: Any) -> Any:
        """What the state amounts to."""
        return self._inner.result(value)

    def merge(self, a: Any, b: Any) -> Any:
        """The state of two sessions that turned out to be one."""
        return self._inner.merge(a, b)


class Count(Over):
    """How many; those whose field or function gives None are not counted."""

    def __init__(self, of: Taking = None) -> None:
        """Count values."""
        super().__init__(theirs.Count(), of)


class Sum(Over):
    """The sum; 0 for nothing."""

    def __init__(self, of: Taking = None) -> None:
        """Add up a field of the payload, or what a function gives."""
        super().__init__(theirs.Sum(), of)


class Mean(Over):
    """The arithmetic mean; None for nothing."""

    def __init__(self, of: Taking = None) -> None:
        """Take a field of the payload, or what a function gives."""
        super().__init__(theirs.Mean(), of)


class Min(Over):
    """The least; None for nothing."""

    def __init__(self, of: Taking = None) -> None:
        """Take a field of the payload, or what a function gives."""
        super().__init__(theirs.Min(), of)


class Max(Over):
    """The greatest; None for nothing."""

    def __init__(self, of: Taking = None) -> None:
        """Take a field of the payload, or what a function gives."""
        super().__init__(theirs.Max(), of)


class Earliest(Over):
    """What the value with the smallest timestamp gives."""

    def __init__(self, of: Taking = None) -> None:
        """Take a field of the payload, or what a function gives."""
        super().__init__(theirs.Earliest(), of)


class Latest(Over):
    """What the value with the largest timestamp gives."""

    def __init__(self, of: Taking = None) -> None:
        """Take a field of the payload, or what a function gives."""
        super().__init__(theirs.Latest(), of)


class Collect(theirs.Collect):
    """All of them, as a list; for windows whose results are wanted once they are closed."""

    def __init__(self, of: Taking = None) -> None:
        """Keep the values, and take a field or what a function gives when the window closes."""
        super().__init__()
        self._take = taker(of)

    def result(self, items: Any) -> list[Any]:
        """The list."""
        return [self._take(item) for item in items]


Aggregation: TypeAlias = Over | Collect


def taker(of: Taking) -> Callable[[Any], Any]:
    """The function behind what a user gives."""
    if of is None:
        return lambda value: value
    if callable(of):
        return of
    field = attrgetter(of)
    return lambda value: field(value.payload if isinstance(value, Event) else value)
