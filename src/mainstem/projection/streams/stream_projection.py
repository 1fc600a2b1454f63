"""StreamProjection: a read model with one row for each stream, folded from the stream's events.

One class serves in three ways. *Async*: a projector folds what comes from Kafka into the table.
*Inline*: the row changes in the transaction of the save (see inline.py). *Live*: the state is
folded in memory when it is asked for, and no table is needed at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from mainstem.errors import ConfigurationError, TransactionFailed
from mainstem.event import GenericPayload, Key, StoredEvent
from mainstem.postgres.plan import Plan
from mainstem.projection.definition import Projection, snake_case
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.handlers import MARK
from mainstem.projection.streams.columns import columns_of, rower
from mainstem.projection.streams.statements import StateTable
from mainstem.schema.declare import type_name

if TYPE_CHECKING:
    from mainstem.postgres.reading.folding import Loaded
    from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore

S = TypeVar("S")

Evolve = Callable[[Any, StoredEvent[Any]], Any]


class StreamProjection(Projection, Generic[S]):
    """One row for each stream: the state that its events add up to. Subclass it with a dataclass.

    Functions marked by `@on(Type)` take the state so far (None before the first event) and a
    `StoredEvent[Type]`, and return the state after it, or None to have no row. They do nothing
    else: they are called again wherever the state is wanted. The fields of the state are the
    table's columns, after its primary key `key`; the table is made where it is not there.
    """

    state: ClassVar[type]
    """The dataclass; taken from `StreamProjection[State]`."""
    event_types: ClassVar[tuple[type, ...]] = ()
    """What its functions take; found by itself."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Read the class once; ConfigurationError where it cannot be right."""
        super().__init_subclass__(**options)
        for origin in getattr(cls, "__orig_bases__", ()):
            if args := [each for each in get_args(origin) if isinstance(each, type)]:
                cls.state = args[0]
        if not hasattr(cls, "state"):
            raise ConfigurationError(
                f"{cls.__name__} has no state", hint="class X(StreamProjection[State]): …"
            )
        cls.name = cls.__dict__.get("name") or snake_case(cls.__name__)
        cls.tables = cls.__dict__.get("tables") or (cls.name,)
        cls.event_types = tuple(evolvers(cls))

    def __init__(self) -> None:
        """Make what it needs to work: no connection, and nothing of any event."""
        columns = columns_of(self.state)
        self._columns = columns
        self._table = StateTable(self.tables[0], self.key_type, columns)
        self._row = rower(columns)
        self._evolvers: dict[type, Evolve] = {
            each: getattr(self, name) for each, name in evolvers(type(self)).items()
        }
        self._type_names = {type_name(each) for each in self._evolvers}
        self.ddl = self._table.ddl  # type: ignore[misc]  # Of this class alone, and made here.

    def evolve(self, state: S | None, event: StoredEvent[Any]) -> S | None:
        """The state after an event; the same one after an event of a type that it does not take."""
        evolver = self._evolvers.get(type(event.payload))
        if evolver is None:
            self._check_decoded(event.payload)
            return state
        after: S | None = evolver(state, event)
        return after

    def fold(self, events: Iterable[StoredEvent[Any]]) -> S | None:
        """The state that the events of one stream add up to, in their order."""
        state: S | None = None
        for event in events:
            state = self.evolve(state, event)
        return state

    def plan(self, events: list[StoredEvent[Any]]) -> Plan[None]:
        """Read the states of the events' streams, fold, and write them back; by a projector."""
        states: dict[Key, S | None] = {}
        keys = {event.key for event in events if type(event.payload) in self._evolvers}
        if keys:
            rows = yield self._table.rows(sorted(keys, key=str))
            states = {row[0]: self._lifted(row[1:]) for row in rows}
        there = set(states)
        for event in events:
            if event.key in keys:
                states[event.key] = self._after(states.get(event.key), event)
        kept = [(key, *self._row(state)) for key, state in states.items() if state is not None]
        if old := [row for row in kept if row[0] in there]:
            yield self._table.put(old)
        if new := [row for row in kept if row[0] not in there]:
            added = yield self._table.add(new)
            if len(added) < len(new):
                raise first_elsewhere(self.tables[0])
        if gone := [key for key, state in states.items() if state is None and key in there]:
            yield self._table.drop(gone)

    def live(self, store: PostgresEventStore, key: Key) -> Loaded[S | None]:
        """The state of one stream, folded now from the table of its events, with its version.

        It knows every event that was committed before the call. ConfigurationError where the
        projection has several topics, or the store does not decode what it takes.
        """
        return store.load(self._topic, key, self.evolve, None)

    async def live_async(self, store: AsyncPostgresEventStore, key: Key) -> Loaded[S | None]:
        """As `live`, for asyncio."""
        return await store.load(self._topic, key, self.evolve, None)

    @property
    def _topic(self) -> str:
        """Its only topic."""
        if len(self.topics) != 1:
            raise ConfigurationError(
                f"{type(self).__name__} has {len(self.topics)} topics; a stream is of one topic"
            )
        return self.topics[0]

    def discarding(self, keys: Iterable[Key]) -> Plan[None]:
        """Delete the rows of some streams; what is folded anew begins without them."""
        yield self._table.drop(list(keys))

    def _after(self, state: S | None, event: StoredEvent[Any]) -> S | None:
        try:
            return self.evolve(state, event)
        except Exception as error:
            name = getattr(self._evolvers[type(event.payload)], "__name__", "?")
            raise HandlerFailed(f"`{name}` raised {type(error).__name__}", error) from error

    def _check_decoded(self, payload: Any) -> None:
        """ConfigurationError for a payload that it takes, but that came as a GenericPayload."""
        if isinstance(payload, GenericPayload) and payload.type_name in self._type_names:
            raise ConfigurationError(
                f"{payload.type_name} came undecoded, so {type(self).__name__} cannot fold it",
                hint=f"open the store with types={type(self).__name__}.event_types",
            )

    def _lifted(self, values: tuple[Any, ...]) -> S:
        """The state of a row."""
        pairs = zip(self._columns, values, strict=True)
        state: S = self.state(**{column.name: column.lifted(value) for column, value in pairs})
        return state


def first_elsewhere(table: str) -> TransactionFailed:
    """The error for a stream whose first events another transaction folds at the same time."""
    error = TransactionFailed(f"another transaction has added the same stream to {table}")
    error.conflict = True
    return error


def evolvers(cls: type) -> dict[type, str]:
    """Payload type -> name of the function that takes it; ConfigurationError for a bad one."""
    found: dict[type, str] = {}
    for owner in reversed(cls.__mro__):
        for name, function in vars(owner).items():
            if hasattr(function, MARK):
                check_evolver(cls, name, function)
                found |= dict.fromkeys(getattr(function, MARK), name)
    return found


def check_evolver(cls: type, name: str, function: Callable[..., Any]) -> None:
    """ConfigurationError unless it looks like `def placed(self, state, event) -> State`."""
    place = f"{cls.__name__}.{name}"
    if inspect.iscoroutinefunction(function) or not getattr(function, MARK):
        raise ConfigurationError(
            f"{place} is asynchronous, or its @on names no types",
            hint="a state is folded by plain functions, each for some payload types",
        )
    if len(inspect.signature(function).parameters) != len(("self", "state", "event")):
        raise ConfigurationError(
            f"{place} must take the state so far and an event, and return the state after it"
        )
