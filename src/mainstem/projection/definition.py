"""Projection: the user's side of a read model, and what its class says, checked once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from mainstem.errors import ConfigurationError
from mainstem.event import StoredEvent
from mainstem.postgres import naming
from mainstem.postgres.plan import Plan
from mainstem.projection.handlers import Handler, handlers_of
from mainstem.projection.kinds.table import is_asynchronous
from mainstem.projection.policy import DeadLetter, Policy, Retry, Stop
from mainstem.projection.seat import Seat
from mainstem.schema.declare import type_name

GROUP_MAX: Final = 200
WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Projection:
    """A read model in PostgreSQL, and what applies events to it. Subclass it.

    Each event of `topics` is applied exactly once, in its order within a partition: what handlers
    write by their `tx` and how far they are commit together. Handlers are functions marked by
    `@on(…)`; they may write whatever they like through `tx`, and nothing else outside of it, for
    that would be repeated. They neither commit nor roll back.
    """

    name: ClassVar[str] = ""
    """Of the projection, for ever: its offsets go by it. Default: the class's in snake case."""
    version: ClassVar[int] = 1
    """Another version is another projection, with offsets of its own."""
    topics: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[tuple[str, ...]] = ()
    """What it writes to, without schema: a rebuild replaces them."""
    ddl: ClassVar[str] = ""
    """Creates the tables where they are not there, by names without a schema."""
    schema: ClassVar[str] = "public"
    """Where its tables are: first in the search path of `tx`."""
    key_type: ClassVar[type] = UUID
    on_error: ClassVar[Policy] = Stop()
    offsets: ClassVar[str | None] = None
    """A table of the Java original's form, `topic_offsets` or `schema.topic_offsets`, to keep
    offsets in; default: our own, which knows the topic's identity too."""

    event_types: ClassVar[tuple[type, ...] | None] = None
    """What a projection that brings its own `plan` takes; None: its handlers say so."""

    def plan(self, events: list[StoredEvent[Any]]) -> Plan[None]:
        """Statements that apply events, in any kind of transaction, instead of handlers."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Definition:
    """What a projection's class says; made by `define`."""

    projection: Projection
    name: str
    version: int
    topics: tuple[str, ...]
    tables: tuple[str, ...]
    ddl: str
    schema: str
    key_type: type
    policy: Policy
    offsets: str | None
    """Quoted name of a table of the original's form."""
    handlers: tuple[Handler, ...]
    types: tuple[type, ...]
    """Payload classes that are to be decoded as such."""
    wanted: frozenset[str] | None
    """Avro full names of payloads that are handled at all; None: every one is."""
    transaction: type | None
    """The kind that its handlers take; None where any will do."""

    @property
    def group(self) -> str:
        """The consumer group of the version that serves."""
        return f"{self.name}.v{self.version}"

    @property
    def seat(self) -> Seat:
        """Where the version that serves works."""
        return Seat(self.group, self.schema)

    def handler_of(self, payload: type) -> Handler | None:
        """Which handler takes payloads of this class."""
        general = None
        for handler in self.handlers:
            if payload in handler.types:
                return handler
            general = general if handler.types else handler
        return general


def define(projection: Projection | type[Projection]) -> Definition:
    """What the class says; ConfigurationError where it cannot be right."""
    instance = projection() if isinstance(projection, type) else projection
    if not isinstance(instance, Projection):
        raise ConfigurationError(f"{type(instance).__name__} is no Projection")
    handlers = handlers_of(instance) if instance.event_types is None else ()
    types = tuple(handled_types(instance, handlers))
    takes_all = any(not handler.types for handler in handlers)
    cls = type(instance)
    return Definition(
        instance,
        naming.checked(instance.name or snake_case(cls.__name__), "projection"),
        checked_version(instance),
        checked_topics(instance),
        tuple(naming.checked(table, "table") for table in instance.tables),
        instance.ddl,
        naming.checked(instance.schema, "schema"),
        instance.key_type,
        checked_policy(instance),
        offsets_table(instance.offsets),
        handlers,
        types,
        None if takes_all else frozenset(type_name(each) for each in types),
        kind_of(instance, handlers),
    )


def handled_types(projection: Projection, handlers: tuple[Handler, ...]) -> Iterator[type]:
    """The payload types of all handlers; ConfigurationError where two take the same one."""
    seen: dict[type, str] = {}
    general: str | None = None
    for handler in handlers:
        if not handler.types:
            if general is not None:
                raise twice(projection, "everything", general, handler.name)
            general = handler.name
        for each in handler.types:
            if each in seen:
                raise twice(projection, each.__name__, seen[each], handler.name)
            seen[each] = handler.name
            yield each
    yield from projection.event_types or ()


def twice(projection: Projection, what: str, first: str, second: str) -> ConfigurationError:
    """The error for two handlers that want the same."""
    return ConfigurationError(
        f"{type(projection).__name__}.{first} and .{second} both take {what}",
        hint="an event goes to one handler; let that one call the other",
    )


def kind_of(projection: Projection, handlers: tuple[Handler, ...]) -> type | None:
    """The kind of transaction that all handlers take."""
    if projection.event_types is not None:
        return None
    if not handlers:
        raise ConfigurationError(
            f"{type(projection).__name__} has no handlers", hint="mark some by @on(…)"
        )
    kinds = {handler.transaction for handler in handlers}
    if len(kinds) > 1:
        names = sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
        raise ConfigurationError(
            f"the handlers of {type(projection).__name__} take different kinds of transaction:"
            f" {', '.join(names)}",
            hint="a batch is one transaction, so all of them must take the same kind",
        )
    kind = kinds.pop()
    for handler in handlers:
        if handler.asynchronous is not is_asynchronous(kind):
            raise ConfigurationError(
                f"{type(projection).__name__}.{handler.name} takes a {kind.__name__}, so it must"
                f" {'' if is_asynchronous(kind) else 'not '}be a coroutine",
                hint="async def goes with AsyncConnection, asyncpg and AsyncSession; def with"
                " Connection and Session",
            )
    return kind


def checked_version(projection: Projection) -> int:
    """The version; ConfigurationError unless it is a positive number."""
    if not isinstance(projection.version, int) or projection.version < 1:
        raise ConfigurationError(
            f"the version of {type(projection).__name__} is {projection.version!r},"
            " not a number from 1"
        )
    return projection.version


def checked_topics(projection: Projection) -> tuple[str, ...]:
    """The topics; ConfigurationError where there are none."""
    topics = projection.topics
    if isinstance(topics, str) or not topics:
        raise ConfigurationError(
            f"{type(projection).__name__} names no topics",
            hint='topics = ("order_events",)',
        )
    return tuple(naming.checked(topic) for topic in topics)


def checked_policy(projection: Projection) -> Policy:
    """What to do about an event that cannot be applied."""
    if not isinstance(projection.on_error, (Stop, Retry, DeadLetter)):
        raise ConfigurationError(
            f"on_error of {type(projection).__name__} is a"
            f" {type(projection.on_error).__name__}, not Stop(), Retry(…) or DeadLetter()"
        )
    return projection.on_error


def offsets_table(name: str | None) -> str | None:
    """The quoted name of a table for offsets."""
    if name is None:
        return None
    schema, _, table = name.rpartition(".")
    quoted = naming.identifier(table, "table")
    return f"{naming.identifier(schema or naming.EVENT_SCHEMA, 'schema')}.{quoted}"


def snake_case(name: str) -> str:
    """`RevenueByCountry` -> `revenue_by_country`."""
    return WORD.sub("_", name).lower()
