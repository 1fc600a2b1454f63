"""Subscriptions, sync and async: two ways to wait for the steps of one course."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from mainstem.errors import ConfigurationError
from mainstem.event import Position
from mainstem.kafka.course import Batch, Course, Goal
from mainstem.kafka.delivered import Place

Params = ParamSpec("Params")
T = TypeVar("T")


class Subscribed:
    """What both faces can do without waiting."""

    def __init__(self, course: Course) -> None:
        """Follow this course."""
        self._course = course
        self._closed = False

    @property
    def places(self) -> frozenset[Place]:
        """The partitions at hand; none before the first of them came."""
        return self._course.places

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def stop(self) -> None:
        """End the iteration before its next batch; from any thread, and from signal handlers."""
        self._course.stopping = True


class Subscription(Subscribed, Iterator[Batch]):
    """Batches of events, for one thread at a time.

    Each batch knows its `offsets`. Asking for the next one says that the last was handled. Leaving
    the `with` block without an exception says so of the last one; `close` by itself does not.
    """

    def __enter__(self) -> Self:
        """The subscription itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; what was handed out was handled unless there is an exception."""
        self._close(handled=kind is None)

    def __next__(self) -> Batch:
        """The next batch, never an empty one; the end where `until` was reached, or at `stop`."""
        while not (self._closed or self._course.ended):
            if (batch := self.step()) is not None:
                return batch
        raise StopIteration

    def step(self) -> Batch | None:
        """The next batch if one comes within 0.1 s: for loops that do other things as well.

        A member of a group must be asked often enough, paused or not: it stays one that way.
        """
        batch = None if self._closed else self._course.step()
        return None if batch is None else self._course.hand_over(batch)

    def commit(self) -> None:
        """Keep the offsets of what was handed out in Kafka, now; ServerUnavailable."""
        self._course.commit()

    def pause(self, places: Iterable[Place] | None = None) -> None:
        """Hand out nothing more of these partitions, by default of all at hand, for now.

        The subscription stays a member of its group as long as batches are asked for.
        """
        self._course.pause(places)

    def resume(self, places: Iterable[Place] | None = None) -> None:
        """Hand out paused partitions again, by default all."""
        self._course.resume(places)

    def seek(
        self,
        *,
        time: datetime | None = None,
        lsn: int | Position | None = None,
        offsets: Mapping[Place, int] | None = None,
    ) -> None:
        """Go on in the partitions at hand with the first event of that time or later, or of that
        commit LSN or later, or with the events at these offsets.
        """  # noqa: D205  # One sentence.
        self._course.seek(goal_of(time, lsn, offsets))

    def close(self) -> None:
        """Leave Kafka; what was handed out last comes again. Twice is fine."""
        self._close(handled=False)

    def _close(self, *, handled: bool) -> None:
        self._closed = True
        self._course.close(handled=handled)


class AsyncSubscription(Subscribed, AsyncIterator[Batch]):
    """As Subscription, read and decoded in a thread of its own, for one task at a time.

    A cancelled wait loses nothing: the next one gets the batch.
    """

    def __init__(self, course: Course) -> None:
        """Follow this course in a new thread."""
        super().__init__(course)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=course.name)
        self._pending: asyncio.Future[Batch | None] | None = None

    async def __aenter__(self) -> Self:
        """The subscription itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; what was handed out was handled unless there is an exception."""
        await self._close(handled=kind is None)

    async def __anext__(self) -> Batch:
        """The next batch, never an empty one; the end where `until` was reached, or at `stop`."""
        while not (self._closed or self._course.ended) or self._pending is not None:
            if self._pending is None:
                loop = asyncio.get_running_loop()
                self._pending = loop.run_in_executor(self._thread, self._course.step)
            # wait() leaves the future alone when it is cancelled itself, so no batch is lost.
            await asyncio.wait([self._pending])
            done, self._pending = self._pending, None
            if (batch := done.result()) is not None:
                return self._course.hand_over(batch)
        raise StopAsyncIteration

    async def commit(self) -> None:
        """As of Subscription."""
        await self._run(self._course.commit)

    async def pause(self, places: Iterable[Place] | None = None) -> None:
        """As of Subscription."""
        await self._run(self._course.pause, places)

    async def resume(self, places: Iterable[Place] | None = None) -> None:
        """As of Subscription."""
        await self._run(self._course.resume, places)

    async def seek(
        self,
        *,
        time: datetime | None = None,
        lsn: int | Position | None = None,
        offsets: Mapping[Place, int] | None = None,
    ) -> None:
        """As of Subscription."""
        await self._run(self._course.seek, goal_of(time, lsn, offsets))

    async def aclose(self) -> None:
        """As `close` of Subscription; it ends the thread, too."""
        await self._close(handled=False)

    async def _close(self, *, handled: bool) -> None:
        if self._closed:
            return
        self._closed = True
        self.stop()
        if (pending := self._pending) is not None:
            await asyncio.wait([pending])
            # Looked at, so that asyncio does not complain of an error that nobody awaited.
            pending.exception()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, lambda: self._course.close(handled=handled))
        finally:
            self._thread.shutdown()

    async def _run(
        self, call: Callable[Params, T], *args: Params.args, **kwargs: Params.kwargs
    ) -> T:
        """Call it in the thread, between two steps."""
        loop = asyncio.get_running_loop()
        if (pending := self._pending) is not None:
            await asyncio.wait([pending])
            if pending.exception() is None:
                batch, self._pending = pending.result(), None
                if batch is not None:
                    # A wait was cancelled after it came: nobody has seen it.
                    await loop.run_in_executor(self._thread, self._course.take_back, batch)
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))


def goal_of(
    time: datetime | None, lsn: int | Position | None, offsets: Mapping[Place, int] | None
) -> Goal:
    """Where to go on from; ConfigurationError unless exactly one thing is said."""
    if sum(each is not None for each in (time, lsn, offsets)) != 1:
        raise ConfigurationError("seek takes exactly one of time, lsn and offsets")
    return Goal(time, lsn.lsn if isinstance(lsn, Position) else lsn, offsets)
