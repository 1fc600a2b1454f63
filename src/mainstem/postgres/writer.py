"""Group commit: saves that come while another one is under way share the next statement.

Nobody waits for company. A save that finds nobody at work writes at once, in its caller's own
thread or task; those that come meanwhile wait, and are written together by what follows it.
So one commit, which is what costs, serves all of them, and a lone save pays nothing.

Threads: who has finished hands the turn to the first of those that wait, which then writes for
all of them. Tasks: who has finished starts a task that writes until nobody waits; so the
cancellation of a save never touches the others.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, TypeAlias

from mainstem.errors import ServerUnavailable
from mainstem.event import StoredEvent
from mainstem.postgres.drivers.sessions import AsyncSession, Session
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.writing import (
    Outcome,
    Queue,
    Waiter,
    closed_store,
    interrupted,
    told,
    writing,
)

Stored: TypeAlias = StoredEvent[Any]
Future: TypeAlias = asyncio.Future[Outcome]


class Turn:
    """What a thread waits on: its outcome, or the turn to write for all that wait."""

    __slots__ = ("_come", "leads", "outcome")

    def __init__(self) -> None:
        """Neither has come yet."""
        self._come = threading.Lock()
        self._come.acquire()
        self.outcome: Outcome | None = None
        self.leads = False

    def wait(self) -> None:
        """Until either comes."""
        self._come.acquire()

    def come(self, outcome: Outcome | None = None) -> None:
        """Wake the thread; without an outcome the turn is its own."""
        self.outcome, self.leads = outcome, outcome is None
        self._come.release()


class Writer:
    """Saves single events for many threads, over one connection."""

    def __init__(self, saving: Saving, session: Session) -> None:
        """Write on this session, which is the writer's own from now on."""
        self._saving = saving
        self._session = session
        self._state = threading.Condition()
        self._queue: Queue[Turn] = Queue()
        self._working = False
        self._closed = False

    def save(self, topic: str, single: Single) -> Stored:
        """Save the event; what is raised concerns it alone, or the server."""
        waiter = Waiter(topic, single, Turn())
        if self._starts(waiter):
            return self._write_alone(topic, single)
        try:
            waiter.signal.wait()
        except BaseException:
            self._give_up(waiter)
            raise
        if waiter.signal.outcome is not None:
            return told(waiter.signal.outcome)
        return self._write([waiter, *self._followers()])

    def close(self) -> None:
        """Let in nobody more, finish what was let in, then close the connection; twice is fine."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            self._state.wait_for(lambda: not self._working)
        self._session.close()

    def _starts(self, waiter: Waiter[Turn]) -> bool:
        """True if nobody is at work, so that the turn is one's own; else wait in the queue."""
        with self._state:
            self._state.wait_for(lambda: self._closed or not self._queue.full)
            if self._closed:
                raise closed_store()
            if self._working:
                self._queue.enter(waiter)
                return False
            self._working = True
            return True

    def _followers(self) -> list[Waiter[Turn]]:
        """Everybody else whose turn it is; whoever waits to be let in may come."""
        with self._state:
            self._state.notify_all()
            return self._queue.turn()

    def _write_alone(self, topic: str, single: Single) -> Stored:
        """Write one event, while nobody else waits yet."""
        try:
            return self._session.run(
                lambda scope: self._saving.one(scope, topic, single.event, single.terms)
            )
        finally:
            self._hand_on()

    def _write(self, waiters: Sequence[Waiter[Turn]]) -> Stored:
        """Write for all of these, the first of which is one's own."""
        try:
            outcomes = self._session.run(lambda scope: writing(self._saving, scope, waiters))
        except ServerUnavailable as error:
            outcomes = [error.again() for _ in waiters]
        except BaseException as error:
            outcomes = [interrupted(error) for _ in waiters]
            raise
        finally:
            for waiter, outcome in zip(waiters[1:], outcomes[1:], strict=True):
                waiter.signal.come(outcome)
            self._hand_on()
        return told(outcomes[0])

    def _hand_on(self) -> None:
        """Give the turn to the first that waits; if nobody does, the next one takes it."""
        with self._state:
            following = self._queue.first()
            if following is not None:
                following.signal.come()
                return
            self._working = False
            if self._closed:
                self._state.notify_all()

    def _give_up(self, waiter: Waiter[Turn]) -> None:
        """Leave the queue, or hand on the turn that had just come."""
        with self._state:
            if self._queue.leave(waiter) or not waiter.signal.leads:
                return
        self._hand_on()


class Lane:
    """One of the connections of an AsyncWriter, and how many saves are on their way over it."""

    __slots__ = ("on_their_way", "session", "task")

    def __init__(self, session: AsyncSession) -> None:
        """Nothing is on its way."""
        self.session = session
        self.on_their_way = 0
        self.task: asyncio.Task[None] | None = None


class AsyncWriter:
    """Saves single events for many tasks of one loop, over two connections at most.

    With two, PostgreSQL commits for one half of the callers while this process works for the
    other half; a lone caller uses one.
    """

    def __init__(self, saving: Saving, sessions: Sequence[AsyncSession]) -> None:
        """Write on these sessions, which are the writer's own from now on."""
        self._saving = saving
        self._lanes = [Lane(session) for session in sessions]
        self._free = self._lanes[::-1]
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
        if self._free and not self._queue:
            return await self._write_alone(self._free.pop(), topic, single)
        waiter = Waiter(topic, single, asyncio.get_running_loop().create_future())
        self._queue.enter(waiter)
        try:
            return told(await waiter.signal)
        except asyncio.CancelledError:
            self._queue.leave(waiter)
            raise

    async def close(self) -> None:
        """Let in nobody more, finish what was let in, then close; twice is fine."""
        self._closed = True
        self._room.set()
        while len(self._free) < len(self._lanes):
            self._rest.clear()
            await self._rest.wait()
        for lane in self._lanes:
            await lane.session.close()

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
        waiters: list[Waiter[Future]] = []
        try:
            while waiters := self._queue.turn(self._share(lane)):
                lane.on_their_way = len(waiters)
                self._room.set()
                self._go_on()
                resolve(waiters, await self._write(lane, waiters))
                # Whoever was just served may come again at once, and then goes with the others.
                await asyncio.sleep(0)
        except BaseException as error:
            # Only the end of the loop or a mistake of ours leads here.
            resolve(waiters, [interrupted(error) for _ in waiters])
            raise
        finally:
            self._release(lane)

    def _share(self, lane: Lane) -> int:
        """An equal part of all callers, so that no lane is idle while another is overloaded."""
        callers = len(self._queue) + sum(
            other.on_their_way for other in self._lanes if other is not lane
        )
        return -(-callers // len(self._lanes))

    async def _write(self, lane: Lane, waiters: Sequence[Waiter[Future]]) -> list[Outcome]:
        """The outcomes of these."""
        try:
            return await lane.session.run(lambda scope: writing(self._saving, scope, waiters))
        except ServerUnavailable as error:
            return [error.again() for _ in waiters]

    def _release(self, lane: Lane) -> None:
        """The lane is free for whoever comes, or for those that wait."""
        lane.on_their_way = 0
        self._free.append(lane)
        self._rest.set()
        self._go_on()

    def _go_on(self) -> None:
        """Let every free lane work, as long as somebody waits."""
        for _ in range(min(len(self._free), len(self._queue))):
            lane = self._free.pop()
            lane.task = asyncio.create_task(self._write_all(lane))


def resolve(waiters: Sequence[Waiter[Future]], outcomes: Sequence[Outcome]) -> None:
    """Wake each task with its outcome; those that were cancelled meanwhile need none."""
    for waiter, outcome in zip(waiters, outcomes, strict=True):
        if not waiter.signal.done():
            waiter.signal.set_result(outcome)
