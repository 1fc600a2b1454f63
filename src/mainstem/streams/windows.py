"""Windows: events of one key put together by time, and what they amount to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from mainstem.errors import ConfigurationError
from mainstem.event import Key, from_millis
from mainstem.streams.aggregations import (
    Aggregation,
    Collect,
    Count,
    Max,
    Mean,
    Min,
    Sum,
    Taking,
)
from mainstem.streams.source import key_of_text
from mainstem.wire import key_from_bytes

if TYPE_CHECKING:
    from quixstreams.dataframe import StreamingDataFrame
    from quixstreams.dataframe.windows.base import Window as TheirWindow
    from quixstreams.dataframe.windows.definitions import WindowDefinition

    from mainstem.streams.stream import EventStream

T = TypeVar("T")
V = TypeVar("V")
A = TypeVar("A")

REMEMBERED_MAX = 10_000
RESERVED = frozenset({"start", "end"})
"""Names that the engine gives to the bounds of a window."""


@dataclass(frozen=True, slots=True)
class Window(Generic[V]):
    """What the events of one key amount to, from `start` on and before `end`.

    A sliding window ends at its event, and takes it in.
    """

    key: Key
    """Of the events; text, after `group_by`."""
    start: datetime
    end: datetime
    value: V

    def __getitem__(self, name: str) -> Any:
        """One of the values that `agg` was given a name for."""
        return cast("dict[str, Any]", self.value)[name]


class Windowed(Generic[T]):
    """A stream cut into windows, before it is said what is done with them."""

    def __init__(self, definition: WindowDefinition[Any], stream: EventStream[T]) -> None:
        """The engine's definition of the windows."""
        self._definition = definition
        self._stream = stream

    def agg(self, **aggregations: Aggregation) -> Results[dict[str, Any]]:
        """Several at once: `agg(cents=Sum("cents"), orders=Count())`; `window["cents"]`.

        To add, remove or rename one keeps the state of the others.
        """
        if taken := RESERVED & aggregations.keys():
            raise ConfigurationError(f"an aggregation cannot be called {min(taken)!r}")
        return Results(self._definition.agg(**aggregations), self._stream, values_of)

    def count(self) -> Results[int]:
        """How many events."""
        return self._single(Count())

    def sum(self, of: Taking = None) -> Results[Any]:
        """The sum of a field of the payload, or of what a function gives."""
        return self._single(Sum(of))

    def mean(self, of: Taking = None) -> Results[float | None]:
        """The arithmetic mean."""
        return self._single(Mean(of))

    def min(self, of: Taking = None) -> Results[Any]:
        """The least."""
        return self._single(Min(of))

    def max(self, of: Taking = None) -> Results[Any]:
        """The greatest."""
        return self._single(Max(of))

    def collect(self) -> Results[list[T]]:
        """All of them; only by `final`."""
        return self._single(Collect())

    def reduce(
        self,
        reducer: Callable[[A, T], A],
        initializer: Callable[[T], A],
        merger: Callable[[A, A], A] | None = None,
    ) -> Results[A]:
        """What `initializer` makes of the first event, and `reducer` of each that follows.

        A session needs a `merger` too: an event between two sessions makes one of them.
        """
        reduced = self._definition.reduce(reducer, initializer, merger)
        return Results(reduced, self._stream, single_value)

    def _single(self, aggregation: Aggregation) -> Results[Any]:
        return Results(self._definition.agg(value=aggregation), self._stream, single_value)


class Results(Generic[V]):
    """What windows amount to, before it is said when it is wanted."""

    def __init__(
        self,
        window: TheirWindow,
        stream: EventStream[Any],
        value: Callable[[dict[str, Any]], V],
    ) -> None:
        """The engine's window."""
        self._window = window
        self._stream = stream
        self._value = value

    def current(self) -> EventStream[Window[V]]:
        """The window as it stands now, with each event that it takes in."""
        if self._window.collect:
            raise ConfigurationError(
                "a window that collects events gives them once it is closed",
                hint="use .final(), or .reduce(…) for what is wanted before",
            )
        return self._results(self._window.current())

    def final(self, *, by_partition: bool = False) -> EventStream[Window[V]]:
        """The window once, when it is closed: its end and its grace lie behind a later event.

        It takes a later event of the same key to close a window. With `by_partition` one of any
        key will do; events of keys that lag behind are late sooner then.
        """
        strategy = {"closing_strategy": "partition"} if by_partition else {}
        return self._results(self._window.final(**strategy))

    def _results(self, frame: StreamingDataFrame) -> EventStream[Window[V]]:
        value, key_type = self._value, self._stream.key_type
        # The same keys and the same bounds come again and again.
        key_of = lru_cache(REMEMBERED_MAX)(lambda text: key_from_bytes(key_of_text(text), key_type))
        moment = lru_cache(REMEMBERED_MAX)(from_millis)

        def window(result: dict[str, Any], key: str, _timestamp: int, _headers: Any) -> Window[V]:
            start, end = moment(result["start"]), moment(result["end"])
            return Window(key_of(key), start, end, value(result))

        return self._stream.of(frame.apply(window, metadata=True))


def values_of(result: dict[str, Any]) -> dict[str, Any]:
    """The named values of a window; the engine gives a dict that nobody else holds."""
    del result["start"], result["end"]
    return result


def single_value(result: dict[str, Any]) -> Any:
    """The one value of a window."""
    return result["value"]


def grace_of(grace: timedelta | None, *, repartitioned: bool, kind: str) -> timedelta:
    """How long a window waits for late events; ConfigurationError where nobody said it, but must.

    Behind a `group_by` events of several partitions come together. On a replay these are read one
    after another, so that events are late by as much as the topic is long.
    """
    if grace is not None:
        if grace < timedelta(0):
            raise ConfigurationError(f"a grace of {grace} is negative")
        return grace
    if repartitioned:
        raise ConfigurationError(
            f"the {kind} window behind group_by has no grace",
            hint="say how far apart in time the partitions may be read: grace=timedelta(hours=1)"
            " keeps events that are so late; a replay from the beginning may need the whole time"
            " that the topic covers",
        )
    return timedelta(0)
