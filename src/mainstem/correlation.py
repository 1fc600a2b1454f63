"""Correlation: metadata that every event saved inside a block carries: who, why, in which trace.

A block's entries live in a context variable: tasks and `asyncio.to_thread` inherit them, a thread
started by hand does not. Where the application uses OpenTelemetry, the W3C trace context of its
active span comes along too; Mainstem never loads OpenTelemetry on its own account.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, Final, NamedTuple, ParamSpec, TypeAlias, TypeVar
from uuid import UUID

from mainstem.errors import ConfigurationError, InvalidMetadata, ReservedMetadataName
from mainstem.event import NO_METADATA, Event

P = TypeVar("P")
T = TypeVar("T")
Params = ParamSpec("Params")

Entry: TypeAlias = str | bytes | UUID | int
"""What an entry may be given as; it is kept as bytes, text and numbers as UTF-8."""

RESERVED_NAMES: Final = frozenset({"id", "lsn", "ordinal", "kid"})
"""Our own headers, and the one that the Java original writes for encrypted events."""

TRACING: Final = "opentelemetry.trace"
"""The module that an application has loaded if it can have an active span."""
TRACEPARENT: Final = "traceparent"


class Ambient(NamedTuple):
    """The entries of a block with those around it, and the block that it is in."""

    entries: Mapping[str, bytes]
    outer: Ambient | None


AMBIENT: ContextVar[Ambient | None] = ContextVar("mainstem.metadata", default=None)


class Carrying:
    """What `metadata` returns: a block, or a decorator of functions and of async functions.

    It may be entered again, inside itself and by several tasks or threads at a time.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        """Add these entries."""
        self._entries = entries

    def __enter__(self) -> None:
        """Events saved from here on carry the entries."""
        outer = AMBIENT.get()
        entries = {**outer.entries, **self._entries} if outer else self._entries
        AMBIENT.set(Ambient(entries, outer))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Events carry again what they did before the block."""
        # No token: an async generator, such as a fixture, may be left in another context.
        ambient = AMBIENT.get()
        AMBIENT.set(ambient.outer if ambient else None)

    def __call__(self, function: Callable[Params, T]) -> Callable[Params, T]:
        """The function, each call of which is a block; ConfigurationError for a generator."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{function.__qualname__} is a generator: its body runs outside of the call",
                hint="write `with mainstem.metadata(…):` inside of it, around what saves",
            )
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Params.args, **kwargs: Params.kwargs) -> Any:
                with self:
                    return await function(*args, **kwargs)

            # To a type checker `function` is callable, and not that its result is awaited.
            return awaited  # type: ignore[return-value]  # as said

        @wraps(function)
        def called(*args: Params.args, **kwargs: Params.kwargs) -> T:
            with self:
                return function(*args, **kwargs)

        return called


def metadata(
    *,
    correlation_id: Entry | None = None,
    causation_id: Entry | None = None,
    actor: Entry | None = None,
    **more: Entry,
) -> Carrying:
    """Let every event saved inside the block carry these entries.

    Blocks may be nested: an inner one adds entries and overrides those of the same name.
    An entry of the event itself wins. Of the three usual ones, None leaves it as it is.
    Raises ReservedMetadataName and InvalidMetadata, before the block begins.
    """
    usual = {"correlation_id": correlation_id, "causation_id": causation_id, "actor": actor}
    given = {name: entry for name, entry in usual.items() if entry is not None} | more
    return Carrying({checked(name): as_bytes(name, entry) for name, entry in given.items()})


def carried(event: Event[P]) -> Event[P]:
    """The event with what is carried here and now; the same object if there is nothing to add.

    What is no event passes through: whoever saves it refuses it.
    """
    return with_entries(event, carried_entries())


def carried_all(events: Iterable[Event[P]]) -> list[Event[P]]:
    """The events, as `carried` does for each; all of them in one trace context."""
    entries = carried_entries()
    return [with_entries(event, entries) for event in events] if entries else list(events)


def carried_entries() -> Mapping[str, bytes]:
    """What an event saved here and now carries, if it says nothing itself."""
    ambient = AMBIENT.get()
    if TRACING not in sys.modules:
        return ambient.entries if ambient else NO_METADATA
    trace = trace_context()
    if ambient is None or not trace:
        return ambient.entries if ambient else trace
    return completed(ambient.entries, trace)


def trace_context() -> Mapping[str, bytes]:
    """`traceparent`, and `tracestate` if there is one, of the active span; else nothing."""
    # Optional, and here because the application has loaded it.
    from opentelemetry import trace  # noqa: PLC0415 - as said

    if trace.get_current_span() is trace.INVALID_SPAN:
        return NO_METADATA
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - as said

    carrier: dict[str, str] = {}
    tracecontext.TraceContextTextMapPropagator().inject(carrier)
    return {name: text.encode() for name, text in carrier.items()}


def with_entries(event: Event[P], entries: Mapping[str, bytes]) -> Event[P]:
    """The event with those of the entries that it lacks; the same object if it lacks none."""
    if not entries or not isinstance(event, Event):
        return event
    merged = completed(event.metadata, entries)
    if len(merged) == len(event.metadata):
        return event
    return Event(event.key, event.payload, event.timestamp, merged)


def completed(own: Mapping[str, bytes], more: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Both, where `own` wins; a trace context is never mixed of two."""
    if TRACEPARENT in own:
        more = {name: entry for name, entry in more.items() if name != "tracestate"}
    return {**more, **own}


def checked(name: str) -> str:
    """The name; ReservedMetadataName, and InvalidMetadata for what cannot be one."""
    if name in RESERVED_NAMES:
        raise ReservedMetadataName(f"metadata holds the reserved name {name!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise InvalidMetadata("a metadata name holds a lone surrogate")
    return name


def as_bytes(name: str, entry: Entry) -> bytes:
    """The entry's bytes; InvalidMetadata for what is none of str, bytes, UUID and int."""
    if isinstance(entry, bytes):
        return bytes(entry)
    if isinstance(entry, bool) or not isinstance(entry, (str, UUID, int)):
        raise InvalidMetadata(
            f"metadata entry {name!r} is {type(entry).__name__}; it can be str, bytes, UUID or int"
        )
    try:
        return entry.encode() if isinstance(entry, str) else format(entry).encode()
    except ValueError:
        # A lone surrogate, or a number that Python prints to nobody.
        raise InvalidMetadata(f"metadata entry {name!r} cannot be written as text") from None
