"""EventStream: what one can do with a stream of events; a facade over Quix Streams' dataframe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from mainstem.errors import ConfigurationError
from mainstem.event import Event, Key
from mainstem.streams.aggregations import taker
from mainstem.streams.joins import Kept, Pairs, joined_asof, joined_interval, looked_up
from mainstem.streams.late import LateEvents
from mainstem.streams.output import Output
from mainstem.streams.source import key_text
from mainstem.streams.windows import Windowed, grace_of
from mainstem.wire import Wire, key_bytes

if TYPE_CHECKING:
    from quixstreams.dataframe import StreamingDataFrame
    from quixstreams.dataframe.joins.lookups import BaseField, BaseLookup

    from mainstem.streams.engine import Engine
    from mainstem.streams.state import State

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all streams of an application share."""

    engine: Engine
    wire: Wire
    late: LateEvents


class EventStream(Generic[T]):
    """A stream of values, events at first; every method gives another stream and leaves this one.

    So a stream can go several ways: call several methods on it. Functions are called by one
    thread, event after event, and may be called again for an event whose transaction was given up:
    what they do outside of the stream is not undone. Where they fail, the application's policy
    says what happens.
    """

    def __init__(
        self,
        frame: StreamingDataFrame,
        shop: Workshop,
        key_type: type,
        *,
        repartitioned: bool = False,
    ) -> None:
        """Made by `Streams.subscribe` and by other streams."""
        self.frame = frame
        """Quix Streams' own dataframe, for what is not wrapped here; keys are text in it."""
        self._any: Any = frame
        self.key_type = key_type
        self._shop = shop
        self._repartitioned = repartitioned

    def of(self, frame: StreamingDataFrame) -> EventStream[Any]:
        """A stream like this one, around another dataframe of the engine's."""
        shop, repartitioned = self._shop, self._repartitioned
        return EventStream(frame, shop, self.key_type, repartitioned=repartitioned)

    # -- one by one

    @overload
    def apply(self, func: Callable[[T], U]) -> EventStream[U]: ...
    @overload
    def apply(
        self, func: Callable[[T, State], U], *, stateful: Literal[True]
    ) -> EventStream[U]: ...
    def apply(self, func: Callable[..., U], *, stateful: bool = False) -> EventStream[U]:
        """What the function makes of each; with `stateful` it is given the state of the key."""
        return self.of(self._any.apply(func, stateful=stateful))

    @overload
    def expand(self, func: Callable[[T], Iterable[U]]) -> EventStream[U]: ...
    @overload
    def expand(
        self, func: Callable[[T, State], Iterable[U]], *, stateful: Literal[True]
    ) -> EventStream[U]: ...
    def expand(self, func: Callable[..., Iterable[U]], *, stateful: bool = False) -> EventStream[U]:
        """Each one that the function makes of each: none, one or more."""
        return self.of(self._any.apply(func, stateful=stateful, expand=True))

    @overload
    def filter(self, func: Callable[[T], object]) -> EventStream[T]: ...
    @overload
    def filter(
        self, func: Callable[[T, State], object], *, stateful: Literal[True]
    ) -> EventStream[T]: ...
    def filter(self, func: Callable[..., object], *, stateful: bool = False) -> EventStream[T]:
        """Those alone for which the function gives something true."""
        return self.of(self._any.filter(func, stateful=stateful))

    @overload
    def update(self, func: Callable[[T], object]) -> EventStream[T]: ...
    @overload
    def update(
        self, func: Callable[[T, State], object], *, stateful: Literal[True]
    ) -> EventStream[T]: ...
    def update(self, func: Callable[..., object], *, stateful: bool = False) -> EventStream[T]:
        """The same, after the function has looked at each; what it returns is not used."""

        def looked_at(value: T, *state: State) -> T:
            func(value, *state)
            return value

        return self.of(self._any.apply(looked_at, stateful=stateful))

    def only(self, cls: type[U]) -> EventStream[Any]:
        """Those events alone whose payload is of the class."""
        return self.filter(lambda value: isinstance(getattr(value, "payload", value), cls))

    # -- by another key

    def group_by(
        self, key: str | Callable[[T], Key], name: str | None = None, *, key_type: type = str
    ) -> EventStream[T]:
        """The same by another key: a field of the payload, or what a function gives.

        Where the topic has several partitions, this goes through a topic of the application's
        own, `repartition__…`: its key can be read there, so group by a hash of what is personal.
        `name` stands in its name and is needed for a function. Behind it `event.key` is the new
        key, and windows must say their grace.
        """
        if name is None and not isinstance(key, str):
            raise ConfigurationError("group_by needs a name where the key is a function's")
        take = taker(key)
        engine = self._shop.engine
        rekeyed = self.frame.apply(lambda value: rekey(value, take))
        grouped = engine.group_by(rekeyed, lambda value: text_of(value, take), name or str(key))
        return EventStream(grouped, self._shop, key_type, repartitioned=True)

    # -- by time

    def tumbling_window(
        self, duration: timedelta, *, grace: timedelta | None = None, name: str | None = None
    ) -> Windowed[T]:
        """Windows side by side: each event is in one."""
        late = self._shop.late.on_late
        graceful = self._grace(grace, "tumbling")
        return Windowed(self.frame.tumbling_window(duration, graceful, name, late), self)

    def hopping_window(
        self,
        duration: timedelta,
        step: timedelta,
        *,
        grace: timedelta | None = None,
        name: str | None = None,
    ) -> Windowed[T]:
        """A window every `step`: an event is in as many as overlap."""
        late = self._shop.late.on_late
        graceful = self._grace(grace, "hopping")
        return Windowed(self.frame.hopping_window(duration, step, graceful, name, late), self)

    def sliding_window(
        self, duration: timedelta, *, grace: timedelta | None = None, name: str | None = None
    ) -> Windowed[T]:
        """A window that ends at each event, and reaches back by `duration`."""
        late = self._shop.late.on_late
        graceful = self._grace(grace, "sliding")
        return Windowed(self.frame.sliding_window(duration, graceful, name, late), self)

    def session_window(
        self, gap: timedelta, *, grace: timedelta | None = None, name: str | None = None
    ) -> Windowed[T]:
        """Windows that go on while no two events are further apart than `gap`."""
        late = self._shop.late.on_late
        graceful = self._grace(grace, "session")
        return Windowed(self.frame.session_window(gap, graceful, name, late), self)

    def _grace(self, grace: timedelta | None, kind: str) -> timedelta:
        return grace_of(grace, repartitioned=self._repartitioned, kind=kind)

    # -- with others

    @overload
    def join_asof(
        self,
        right: EventStream[R],
        merge: Callable[[T, R], U],
        *,
        keep: Kept = ...,
        name: str | None = ...,
    ) -> EventStream[U]: ...
    @overload
    def join_asof(
        self,
        right: EventStream[R],
        merge: Callable[[T, R | None], U],
        *,
        how: Literal["left"],
        keep: Kept = ...,
        name: str | None = ...,
    ) -> EventStream[U]: ...
    def join_asof(
        self,
        right: EventStream[Any],
        merge: Callable[[Any, Any], U],
        *,
        how: Literal["inner", "left"] = "inner",
        keep: Kept = WEEK,
        name: str | None = None,
    ) -> EventStream[U]:
        """Each with the last one of the right, by the same key, that is not younger than it.

        Those of the right are kept for so long behind their newest. With `how="left"` those
        without one go on too, with None. A stream that is joined several times needs names.
        """
        pairs = Pairs(merge, how, keep, name)
        return self._with(right, joined_asof(self.frame, right.frame, pairs))

    @overload
    def join_interval(
        self,
        right: EventStream[R],
        merge: Callable[[T, R], U],
        *,
        backward: timedelta = ...,
        forward: timedelta = ...,
        keep: Kept = ...,
        name: str | None = ...,
    ) -> EventStream[U]: ...
    @overload
    def join_interval(
        self,
        right: EventStream[R],
        merge: Callable[[T | None, R | None], U],
        *,
        how: Literal["left", "right", "outer"],
        backward: timedelta = ...,
        forward: timedelta = ...,
        keep: Kept = ...,
        name: str | None = ...,
    ) -> EventStream[U]: ...
    def join_interval(  # noqa: PLR0913  # Both directions, and how long both sides are kept.
        self,
        right: EventStream[Any],
        merge: Callable[[Any, Any], U],
        *,
        how: Literal["inner", "left", "right", "outer"] = "inner",
        backward: timedelta = timedelta(0),
        forward: timedelta = timedelta(0),
        keep: Kept = WEEK,
        name: str | None = None,
    ) -> EventStream[U]:
        """Each pair of one key whose right is at most `backward` older and `forward` younger.

        With `how` those that have no partner as they come go on at once, with None. Pairs are found
        in whatever order the two come by. A stream that is joined several times needs names.
        """
        pairs, bounds = Pairs(merge, how, keep, name), (backward, forward)
        return self._with(right, joined_interval(self.frame, right.frame, pairs, bounds))

    def join_lookup(
        self,
        lookup: BaseLookup[Any],
        fields: dict[str, BaseField],
        merge: Callable[[T, dict[str, Any]], U],
        *,
        on: Callable[[T], str] | None = None,
    ) -> EventStream[U]:
        """Each with the fields that a lookup of Quix Streams' finds for it, by its key or `on`."""
        return self.of(looked_up(self.frame, lookup, fields, merge, on))

    def concat(self, other: EventStream[U]) -> EventStream[T | U]:
        """Both together, older ones first as far as they are there."""
        return self._with(other, self.frame.concat(other.frame))

    def _with(self, other: EventStream[Any], frame: StreamingDataFrame) -> EventStream[Any]:
        """What comes of both, and is out of order if one of them is."""
        repartitioned = self._repartitioned or other._repartitioned
        return EventStream(frame, self._shop, self.key_type, repartitioned=repartitioned)

    # -- results

    def to(
        self,
        topic: str,
        *,
        key: Callable[[T], Key] | None = None,
        timestamp: Callable[[T], datetime] | None = None,
    ) -> EventStream[T]:
        """Write each to a topic: exactly once, in the transaction that notes its source as done.

        Events are written with their key, timestamp and metadata. Payload objects are given the
        key and the timestamp that the stream has at this place, and the metadata of the event that
        they come from, its correlation with it; windows and pairs of an interval have none. Their
        schemas are registered. A topic that is not there is made, with as many partitions as the
        source has.
        """
        shop = self._shop
        shop.engine.output(topic, shop.engine.partitions(self.frame))
        write = Output(topic, shop.wire, shop.engine.produce, key, timestamp)

        def written(value: T, text: str, timestamp_ms: int, headers: Any) -> T:
            write(value, text, timestamp_ms, headers)
            return value

        return self.of(self.frame.apply(written, metadata=True))


def rekey(value: Any, take: Callable[[Any], Key]) -> Any:
    """The value, with the new key where it is an event."""
    return replace(value, key=take(value)) if isinstance(value, Event) else value


def text_of(value: Any, take: Callable[[Any], Key]) -> str:
    """The engine's key of a value that has its new key."""
    return key_text(key_bytes(value.key if isinstance(value, Event) else take(value)))
