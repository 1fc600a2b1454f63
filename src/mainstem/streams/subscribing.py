"""Streams: where a program begins; each topic that it subscribes to is a stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from mainstem.event import StoredEvent
from mainstem.schema.declare import type_name
from mainstem.streams.late import LateEvents
from mainstem.streams.source import EventSource
from mainstem.streams.stream import EventStream, Workshop

if TYPE_CHECKING:
    from mainstem.streams.engine import Engine
    from mainstem.wire import Wire

P = TypeVar("P")
Q = TypeVar("Q")
S = TypeVar("S")


class Streams:
    """What a program is given to build its streams with."""

    def __init__(self, engine: Engine, wire: Wire, key_type: type = UUID) -> None:
        """Build them in this engine."""
        self._engine = engine
        self._wire = wire
        self._key_type = key_type
        self.late = LateEvents(engine.counters)
        self._shop = Workshop(engine, wire, self.late)

    @overload
    def subscribe(
        self, topic: str, first: type[P], /, *, key_type: type | None = None
    ) -> EventStream[StoredEvent[P]]: ...
    @overload
    def subscribe(
        self, topic: str, first: type[P], second: type[Q], /, *, key_type: type | None = None
    ) -> EventStream[StoredEvent[P | Q]]: ...
    @overload
    def subscribe(
        self,
        topic: str,
        first: type[P],
        second: type[Q],
        third: type[S],
        /,
        *,
        key_type: type | None = None,
    ) -> EventStream[StoredEvent[P | Q | S]]: ...
    @overload
    def subscribe(
        self, topic: str, /, *types: type, key_type: type | None = None
    ) -> EventStream[StoredEvent[Any]]: ...
    def subscribe(
        self, topic: str, /, *types: type, key_type: type | None = None
    ) -> EventStream[Any]:
        """The events of a topic whose payloads are of these classes; others are passed over.

        Without classes all of them come, payloads of undeclared types as GenericPayload. Keys are
        of the application's key type unless another is given; topics must be there. Raises
        UnknownTopic, UndeclaredPayload and SchemaError.
        """
        for cls in types:
            self._wire.learn(cls)
        wanted = key_type or self._key_type
        frame = self._engine.source(topic, self._wire, wanted)
        source = self._engine.sources[topic]
        if isinstance(source, EventSource):
            source.want(frozenset(type_name(cls) for cls in types))
        stream: EventStream[Any] = EventStream(frame, self._shop, wanted)
        return stream.filter(payload_is(types)) if types else stream


def payload_is(types: tuple[type, ...]) -> Any:
    """Whether an event's payload is of one of the classes."""

    def wanted(event: StoredEvent[Any]) -> bool:
        return isinstance(event.payload, types)

    return wanted
