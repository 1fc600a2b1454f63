"""Callers who save at the same time through one store, as threads or as tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from mainstem.event import Event, StoredEvent

CALLERS = 64
DEADLINE_S = 20.0

Outcome: TypeAlias = StoredEvent[Any] | Exception


class Crowd:
    """So many callers of one face of the store, each with an outcome of its own."""

    def __init__(self, store: Any, threads: ThreadPoolExecutor) -> None:
        """Work with either face."""
        self.store = store
        self._threads = threads

    def start(
        self, topic: str, events: Sequence[Event[Any]], **terms: Any
    ) -> list[asyncio.Future[StoredEvent[Any]]]:
        """Let one caller for each event begin."""
        return [asyncio.ensure_future(self._one(topic, event, terms)) for event in events]

    async def save(self, topic: str, events: Sequence[Event[Any]], **terms: Any) -> list[Outcome]:
        """The outcomes of one caller for each event."""
        return await settled(self.start(topic, events, **terms))

    async def connect(self) -> None:
        """Have all connections that saves can go over."""
        for lane in getattr(self.store._writer, "_lanes", []):
            await lane.session.connect()

    @property
    def lanes(self) -> int:
        """How many saves can be on their way before the next ones wait."""
        return len(getattr(self.store._writer, "_lanes", "1"))

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self.store._writer._queue)

    async def close(self) -> None:
        """Close the store."""
        if asyncio.iscoroutinefunction(self.store.close):
            await self.store.close()
        else:
            await asyncio.get_running_loop().run_in_executor(None, self.store.close)

    def _one(
        self, topic: str, event: Event[Any], terms: dict[str, Any]
    ) -> asyncio.Future[Any] | Coroutine[Any, Any, Any]:
        if asyncio.iscoroutinefunction(self.store.save):
            saving: Coroutine[Any, Any, Any] = self.store.save(topic, event, **terms)
            return saving
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, lambda: self.store.save(topic, event, **terms))


async def settled(futures: Sequence[asyncio.Future[StoredEvent[Any]]]) -> list[Outcome]:
    """What each came to."""
    outcomes: list[Outcome] = []
    async with asyncio.timeout(DEADLINE_S):
        for outcome in await asyncio.gather(*futures, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
                raise outcome
            outcomes.append(outcome)
    return outcomes


async def until(condition: Callable[[], bool]) -> None:
    """Let the others work until the condition holds; an error after the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.to_thread(lambda: None)
