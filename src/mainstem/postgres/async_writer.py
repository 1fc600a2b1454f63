"""Group commit for tasks: saves that come while others are under way share a statement.

As for threads (writer.py), with two differences. Who has finished starts a task that writes until
nobody waits, because a caller may be cancelled, and its cancellation must not touch the others.
And there are two connections, so that PostgreSQL commits for one half of the callers while this
process works for the other half; a lone caller uses one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

from mainstem.errors import ServerUnavailable
from mainstem.event import StoredEvent
from mainstem.postgres.drivers.sessions import AsyncSession
from mainstem.postgres.drivers.sqlstates import closed_store
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.sharing import Outcome
from mainstem.postgres.writing import (
    Queue,
    Waiter,
    interrupted,
    mistaken,
    told,
    writing,
)

Stored: TypeAlias = StoredEvent[Any]
Future: TypeAlias = asyncio.Future[Outcome]
Waiters: TypeAlias = Sequence[Waiter[Future]]


class Lane:
    """One of the connections, and the saves that are on their way over it."""

    __slots__ = ("on_their_way", "session", "task", "waiters")

    def __init__(self, session: AsyncSession) -> None:
        """Nothing is on its way."""
        self.session = session
        self.on_their_way = 0
        self.waiters: Waiters = ()
        self.task: asyncio.Task[None] | None = None


class AsyncWriter:
    """Saves single events for many tasks of one loop, over two connections at most."""

    def __init__(self, saving: Saving, sessions: Sequence[AsyncSession]) -> None:
        """Write on these sessions, which are the writer's own from now on."""
        self._saving = saving
        self._sessions = sessions
        self._lanes = [Lane(session) for session in sessions]
        self._free = self._lanes[::-1]
        """Those that have a connection stand last, and go first."""
        self._queue: Queue[Future] = Queue()
        self._room = asyncio.Event()
        self._rest = asyncio.Event()
        self._closed = False

    async def save(self, topic: str, single: Single) -> Stored:
        """Save the event; what is raised concerns it alone, or the server."""
        while self._queue.full and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise closed_store()
        if not self._queue and self._free and self._free[-1].session.ready:
            return await self._write_alone(self._free.pop(), topic, single)
        waiter = Waiter(topic, single, asyncio.get_running_loop().create_future())
        self._queue.enter(waiter)
        if self._free:
            self._go_on()
        try:
            return told(await waiter.signal)
        except asyncio.CancelledError:
            self._queue.leave(waiter)
            self._room.set()
            raise

    async def close(self) -> None:
        """Let in nobody more, finish what was let in, then close; twice is fine."""
        self._closed = True
        self._room.set()
        while len(self._free) < len(self._lanes):
            self._rest.clear()
            await self._rest.wait()
        for session in self._sessions:
            await session.close()

    async def _write_alone(self, lane: Lane, topic: str, single: Single) -> Stored:
        """Write one event, while nobody waits."""
        lane.on_their_way = 1
        try:
            return await lane.session.run(
                lambda scope: self._saving.one(scope, topic, single.event, single.terms)
            )
        finally:
            self._release(lane)

    async def _write_all(self, lane: Lane) -> None:
        """Write until nobody waits."""
        while waiters := self._queue.turn(self._share(lane)):
            lane.waiters, lane.on_their_way = waiters, len(waiters)
            self._room.set()
            outcomes = await self._write(lane, waiters)
            if outcomes is None:
                lane.waiters = ()
                self._queue.enter_first(waiters)
                self._lanes.remove(lane)
                return
            resolve(waiters, outcomes)
            # Whoever was just served may come again at once, and then goes with the others.
            await asyncio.sleep(0)

    def _share(self, lane: Lane) -> int:
        """An equal part of all callers, so that no lane is idle while another is overloaded."""
        callers = len(self._queue) + sum(
            other.on_their_way for other in self._lanes if other is not lane
        )
        return -(-callers // len(self._lanes))

    async def _write(self, lane: Lane, waiters: Waiters) -> list[Outcome] | None:
        """The outcomes of these; None if this lane cannot have the connection that others have."""
        try:
            await lane.session.connect()
        except ServerUnavailable as error:
            if any(other.session.ready for other in self._lanes if other is not lane):
                return None
            return [error.again() for _ in waiters]
        self._go_on()
        return await lane.session.run(lambda scope: writing(self._saving, scope, waiters))

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        """The lane's task is over; nobody stays without an answer, however it ended."""
        if task.cancelled():
            resolve(lane.waiters, [interrupted("the event loop ended") for _ in lane.waiters])
        elif (error := task.exception()) is not None:
            resolve(lane.waiters, [mistaken(error) for _ in lane.waiters])
        self._release(lane)

    def _release(self, lane: Lane) -> None:
        """The lane is free for whoever comes, or for those that wait."""
        lane.on_their_way, lane.waiters, lane.task = 0, (), None
        if lane in self._lanes:
            self._free.insert(len(self._free) if lane.session.ready else 0, lane)
        self._rest.set()
        self._room.set()
        self._go_on()

    def _connecting(self) -> bool:
        """Whether a lane that is at work has no connection yet."""
        return any(not lane.session.ready for lane in self._lanes if lane.on_their_way)

    def _go_on(self) -> None:
        """Let free lanes work, one for each that waits at most.

        They connect one after the other, so that a limit of connections is met by the second.
        """
        for _ in range(len(self._queue)):
            if not self._free or self._connecting():
                break
            lane = self._free.pop()
            lane.on_their_way = 1
            # Nothing of the caller who happens to be the cause goes along with the others.
            context = contextvars.Context()
            lane.task = asyncio.get_running_loop().create_task(
                self._write_all(lane), context=context
            )
            lane.task.add_done_callback(partial(self._ended, lane))


def resolve(waiters: Waiters, outcomes: Sequence[Outcome]) -> None:
    """Wake each task with its outcome; those that were cancelled meanwhile need none."""
    for waiter, outcome in zip(waiters, outcomes, strict=True):
        if not waiter.signal.done():
            waiter.signal.set_result(outcome)
