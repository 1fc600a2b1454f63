"""Handlers: which function of a projection takes which payloads, read from its signature; pure.

The signature says everything: the parameter of events is one `StoredEvent[T]` or a
`Sequence[StoredEvent[T]]`, and the annotation of the last one is the kind of transaction.
"""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from mainstem.errors import ConfigurationError
from mainstem.event import StoredEvent

F = TypeVar("F", bound=Callable[..., Any])

MARK: Final = "__mainstem_on__"
PARAMETERS: Final = ("self", "event or events", "tx")
SEQUENCES: Final = (collections.abc.Sequence, list, typing.Sequence)


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of a projection that takes events of some payload types."""

    name: str
    types: tuple[type, ...]
    """None of them: it takes every event."""
    batch: bool
    """Whether it takes a sequence of events at a time."""
    asynchronous: bool
    transaction: type
    """The class that its last parameter is annotated by."""
    call: Callable[[Any, Any], Any]
    """Bound: takes the event or events, and the transaction."""


def on(*types: type) -> Callable[[F], F]:
    """Let a function of a Projection take events with payloads of these types; none means all.

    One `StoredEvent[T]` at a time, or, where its parameter is annotated as a Sequence, each run of
    such events that follow one another: so events are applied in their order, whatever takes them.
    """

    def marked(function: F) -> F:
        setattr(function, MARK, types)
        return function

    return marked


def handlers_of(projection: object) -> tuple[Handler, ...]:
    """The marked functions of a projection, in the order in which they stand.

    Raises ConfigurationError where a signature cannot be understood.
    """
    marked = {
        name: function
        for owner in reversed(type(projection).__mro__)
        for name, function in vars(owner).items()
        if hasattr(function, MARK)
    }
    return tuple(handler(projection, name, function) for name, function in marked.items())


def handler(projection: object, name: str, function: Callable[..., Any]) -> Handler:
    """One handler, by its signature."""
    place = f"{type(projection).__name__}.{name}"
    hints = hints_of(function, place)
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) != len(PARAMETERS):
        raise ConfigurationError(
            f"{place} takes {', '.join(parameters)}; a handler takes {', '.join(PARAMETERS)}"
        )
    transaction = hints.get(parameters[2])
    transaction = get_origin(transaction) or transaction
    if not isinstance(transaction, type):
        raise ConfigurationError(
            f"the parameter `{parameters[2]}` of {place} says no kind of transaction",
            hint="annotate it by psycopg.AsyncConnection, psycopg.Connection,"
            " asyncpg.Connection, or a Session or AsyncSession of SQLAlchemy",
        )
    return Handler(
        name,
        getattr(function, MARK),
        takes_batch(hints.get(parameters[1]), place),
        inspect.iscoroutinefunction(function),
        transaction,
        getattr(projection, name),
    )


def hints_of(function: Callable[..., Any], place: str) -> dict[str, Any]:
    """The annotations of a function, resolved; ConfigurationError where a name is not known."""
    try:
        return get_type_hints(function)
    except NameError as error:
        raise ConfigurationError(
            f"the annotations of {place} name {error.name}, which its module does not hold",
            hint="import it at the top of the module, not only under TYPE_CHECKING",
        ) from error


def takes_batch(annotation: Any, place: str) -> bool:
    """Whether events come as a sequence; ConfigurationError for what is no event at all."""
    if get_origin(annotation) in SEQUENCES:
        annotation, batch = get_args(annotation)[0], True
    else:
        batch = False
    if (get_origin(annotation) or annotation) is not StoredEvent:
        raise ConfigurationError(
            f"{place} takes neither a StoredEvent[…] nor a Sequence[StoredEvent[…]]",
            hint="annotate its first parameter by one of the two",
        )
    return batch
