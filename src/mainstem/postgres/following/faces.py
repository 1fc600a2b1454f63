"""Faces: a following as people hold it, an iterator or an asynchronous one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Any, Self

from mainstem.errors import MainstemError
from mainstem.event import Position, StoredEvent
from mainstem.postgres.following.batches import Batches, Request, Stop, Stored, batches


class Following(Iterator[StoredEvent[Any]]):
    """The events of a topic as they commit, for one thread at a time.

    It has begun when it was made: everything that commits from then on comes, in commit order.
    `with`, `close` from any thread, or dropping the last reference to it ends its session at
    once, and PostgreSQL drops its slot, which it does even if this process is killed.
    """

    def __init__(self, request: Request) -> None:
        """Begin; raises what `batches` raises."""
        self._stop = Stop()
        self._batches = batches(request, self._stop)
        self._events = chain.from_iterable(self._batches)
        self._position: Position | None = None
        next(self._batches)

    @property
    def position(self) -> Position | None:
        """Where the last event stood that was given: `follow(after=…)` goes on behind it."""
        return self._position

    def __next__(self) -> Stored:
        """The next event, whenever it comes."""
        if self._stop.asked:
            raise StopIteration
        event = next(self._events)
        self._position = event.position
        return event

    def close(self) -> None:
        """End it; twice is fine."""
        self._stop.ask()
        with suppress(ValueError):
            # It runs in another thread just now, and sees by itself that it is to end.
            self._batches.close()

    def __enter__(self) -> Self:
        """Itself; leaving closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class AsyncFollowing(AsyncIterator[StoredEvent[Any]]):
    """Following for asyncio, for one task at a time; a thread of its own does what blocks.

    It begins at `async with`, or else at its first event. A cancelled wait loses nothing.
    """

    def __init__(self, request: Request) -> None:
        """Nothing is connected yet."""
        self._stop = Stop()
        self._batches = batches(request, self._stop)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"follow-{request.topic}")
        self._ready: deque[Stored] = deque()
        self._pending: asyncio.Future[list[Stored] | None] | None = None
        self._begun = self._closed = False
        self._position: Position | None = None

    @property
    def position(self) -> Position | None:
        """As of Following."""
        return self._position

    async def __anext__(self) -> Stored:
        """The next event, whenever it comes."""
        while not self._ready:
            await self._fetch()
        if self._stop.asked:
            raise StopAsyncIteration
        event = self._ready.popleft()
        self._position = event.position
        return event

    async def _fetch(self) -> None:
        """Wait for the next batch, which may be empty."""
        if self._stop.asked:
            raise StopAsyncIteration
        if self._pending is None:
            loop = asyncio.get_running_loop()
            # Nothing in the thread refers to this object, so that dropping it ends it.
            self._pending = loop.run_in_executor(self._thread, next, self._batches, None)
        # wait() leaves the future alone when it is cancelled itself, so that no batch is lost.
        await asyncio.wait([self._pending])
        done, self._pending = self._pending, None
        batch = done.result()
        if batch is None:
            raise StopAsyncIteration
        self._begun = True
        self._ready.extend(batch)

    async def aclose(self) -> None:
        """End it; twice is fine."""
        if self._closed:
            return
        self._closed = True
        # In another thread, because cancelling what runs there speaks to the server.
        await asyncio.to_thread(self._stop.ask)
        if (pending := self._pending) is not None:
            await asyncio.wait([pending])
            # Looked at, so that asyncio does not complain of an error that nobody awaited.
            pending.exception()
        await asyncio.get_running_loop().run_in_executor(self._thread, end, self._batches)
        self._thread.shutdown()

    def __del__(self) -> None:
        """Dropped without being closed: end the session all the same."""
        if not self._closed:
            self._stop.ask()
            self._thread.submit(end, self._batches)
            self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        """Itself, begun: everything that commits from now on comes."""
        while not self._begun:
            await self._fetch()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.aclose()


def end(running: Batches) -> None:
    """Close what the thread runs; nobody waits for its errors."""
    with suppress(MainstemError):
        running.close()
