"""Transactions: of a projector's own, in each kind that handlers may ask for.

A step that handlers take is run here, and what it raises is told apart: an error of the server's
that passes is raised as ours, anything else is the handler's and means that its events cannot be
applied. Sync kinds run where they are called; asyncio's run on a loop of their own, one for each
lane, so that a handler never holds up anybody else's loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Protocol

import psycopg

from mainstem.errors import (
    ConfigurationError,
    MainstemError,
    Refusal,
    ServerUnavailable,
)
from mainstem.postgres.drivers.lending import lend, lend_async
from mainstem.postgres.drivers.loop import drive, drive_async
from mainstem.postgres.plan import asking
from mainstem.projection.applying import Application, Handle
from mainstem.projection.errors import CutOff, HandlerFailed
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.desks import AsyncDesk, Desk, desk_of
from mainstem.projection.kinds.failures import passing
from mainstem.projection.kinds.table import is_asynchronous


class Transactions(Protocol):
    """Runs steps, each time in a transaction of its own; for one thread at a time."""

    def run(self, steps: Application) -> None:
        """All of the steps and the commit, or nothing."""
        ...

    def close(self) -> None:
        """Give up what is open."""
        ...


class SyncTransactions:
    """Transactions whose handlers are plain functions."""

    def __init__(self, desk: Desk) -> None:
        """Open them at this desk."""
        self._desk = desk

    def run(self, steps: Application) -> None:
        """All of the steps and the commit, or nothing."""
        try:
            with self._desk.begin() as tx:
                drive(steps, performer(tx))
        except Exception as error:
            raise classified(error, broken=self._desk.broken()) from error

    def close(self) -> None:
        """Close the connection."""
        self._desk.close()


class AsyncTransactions:
    """Transactions whose handlers are coroutines, run on a loop of their own."""

    def __init__(self, desk: AsyncDesk) -> None:
        """Open them at this desk."""
        self._desk = desk
        self._runner = asyncio.Runner()

    def run(self, steps: Application) -> None:
        """All of the steps and the commit, or nothing."""
        self._runner.run(self._run(steps))

    def close(self) -> None:
        """Close the connection, and end the loop."""
        self._runner.run(self._desk.close())
        self._runner.close()

    async def _run(self, steps: Application) -> None:
        try:
            async with self._desk.begin() as tx:
                await drive_async(steps, async_performer(tx))
        except Exception as error:
            raise classified(error, broken=self._desk.broken()) from error


def transactions(kind: type | None, address: Address) -> Transactions:
    """Transactions of the kind that handlers take; ConfigurationError for one that is none.

    psycopg's own is the fastest, for projections that take any kind.
    """
    chosen = kind or psycopg.Connection
    desk = desk_of(chosen, address)
    return AsyncTransactions(desk) if is_asynchronous(chosen) else SyncTransactions(desk)


def performer(tx: Any) -> Callable[[Any], Any]:
    """Does one step in this transaction."""
    lent = lend(tx)

    def perform(step: Any) -> Any:
        if isinstance(step, Handle):
            try:
                return done(step.handler.call(step.events, tx))
            except Exception as error:
                raise failed(step, error) from error
        return lent.run(lambda _scope: asking(step))

    return perform


def async_performer(tx: Any) -> Callable[[Any], Any]:
    """As `performer`, for asyncio."""
    lent = lend_async(tx)

    async def perform(step: Any) -> Any:
        if isinstance(step, Handle):
            try:
                return await step.handler.call(step.events, tx)
            except Exception as error:
                raise failed(step, error) from error
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # Of a task of the handler's own: nobody has cancelled this one.
                raise failed(step, TimeoutError("the handler was cancelled")) from error
        return await lent.run(lambda _scope: asking(step))

    return perform


def done(result: Any) -> Any:
    """What a plain handler returns; ConfigurationError for what has not even begun to run."""
    if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        if hasattr(result, "close"):
            result.close()
        raise ConfigurationError(
            f"the handler returned a {type(result).__name__}, so it has done nothing yet",
            hint="a plain handler is a def without yield; what it wraps must not be a coroutine",
        )
    return result


def failed(step: Handle, error: Exception) -> HandlerFailed:
    """The error of a handler, without what it says: that may hold a payload."""
    return HandlerFailed(f"handler `{step.handler.name}` raised {type(error).__name__}", error)


def classified(error: Exception, *, broken: bool) -> MainstemError | Exception:
    """What an error in a transaction means: a server's that passes, or the handler's."""
    handling = isinstance(error, HandlerFailed)
    reason = error.reason if isinstance(error, HandlerFailed) else error
    found = passing(reason)
    if found is None and broken and not isinstance(reason, MainstemError):
        found = ServerUnavailable(f"PostgreSQL broke off ({type(reason).__name__})")
    if handling and isinstance(found, ServerUnavailable):
        return CutOff(found.message)
    if found is not None:
        return found
    if handling or isinstance(reason, (Refusal, ConfigurationError)):
        return error
    # What PostgreSQL refused at the end, such as a flush or a deferred constraint.
    return HandlerFailed(f"its transaction failed by {type(error).__name__}", error)
