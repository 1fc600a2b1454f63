"""Desks: what opens transactions of a kind, and which kinds there are."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib import import_module
from typing import Any, Final, Protocol

from mainstem.errors import ConfigurationError
from mainstem.projection.kinds.address import Address

KINDS: Final = {
    ("psycopg", "Connection"): "psycopg_kind:PsycopgDesk",
    ("psycopg", "AsyncConnection"): "psycopg_kind:AsyncPsycopgDesk",
    ("asyncpg", "Connection"): "asyncpg_kind:AsyncAsyncpgDesk",
    ("sqlalchemy", "Session"): "sqlalchemy_kind:SessionDesk",
    ("sqlalchemy", "AsyncSession"): "sqlalchemy_kind:AsyncSessionDesk",
}
"""Package and class of a handler's `tx` -> what opens such transactions."""


class Desk(Protocol):
    """Opens transactions one after another, for one thread, on a connection that it keeps."""

    def begin(self) -> AbstractContextManager[Any]:
        """A transaction; it commits at the end of the block and rolls back on an error."""
        ...

    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class AsyncDesk(Protocol):
    """As `Desk`, for asyncio."""

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """As of `Desk`."""
        ...

    def broken(self) -> bool:
        """As of `Desk`."""
        ...

    async def close(self) -> None:
        """As of `Desk`."""
        ...


def is_asynchronous(kind: type) -> bool:
    """Whether handlers that take this kind are coroutines; ConfigurationError for no kind."""
    return place_of(kind).partition(":")[2].startswith("Async")


def desk_of(kind: type, address: Address) -> Any:
    """A Desk, or an AsyncDesk, of this kind; ConfigurationError, MissingExtra."""
    file, _, desk = place_of(kind).partition(":")
    return getattr(import_module(f"mainstem.projection.kinds.{file}"), desk)(address)


def place_of(kind: type) -> str:
    """File and class of a kind's desk."""
    package, name = kind.__module__.partition(".")[0], kind.__name__
    place = KINDS.get((package, name))
    if place is None:
        raise ConfigurationError(
            f"handlers take a {package}.{name}, which is no kind of transaction",
            hint=f"they can take {', '.join(f'{p}.{n}' for p, n in KINDS)}",
        )
    return place
