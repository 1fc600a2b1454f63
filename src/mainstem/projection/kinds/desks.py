"""Desks: what opens transactions of a kind."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.table import place_of


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


def desk_of(kind: type, address: Address) -> Any:
    """A Desk, or an AsyncDesk, of this kind; ConfigurationError, MissingExtra."""
    file, _, desk = place_of(kind).partition(":")
    return getattr(import_module(f"mainstem.projection.kinds.{file}"), desk)(address)
