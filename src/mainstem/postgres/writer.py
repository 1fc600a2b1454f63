"""Group commit for threads: saves that come while another one is under way share a statement.

Nobody waits for company. A save that finds nobody at work writes at once, in its caller's own
thread; those that come meanwhile wait. Who has finished hands the turn to the first of those that
wait, which then writes for all that wait. So one commit, which is what costs, serves all of them,
and a lone save pays nothing.

Who leads, and whom it writes for, stands in the writer and not in the leading thread alone:
whatever ends that thread's call, an interrupt too, `_settle` leaves nobody waiting.
"""

from __future__ import annotations

import os
import threading
from typing import Any, TypeAlias

from mainstem.errors import ServerUnavailable
from mainstem.event import StoredEvent
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.drivers.sqlstates import closed_store
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.sharing import Outcome
from mainstem.postgres.writing import Queue, Waiter, interrupted, told, writing

Stored: TypeAlias = StoredEvent[Any]


class Turn:
    """What a thread waits on: its outcome, or the turn to write for all that wait."""

    __slots__ = ("_come", "outcome", "thread")

    def __init__(self) -> None:
        """Neither has come yet."""
        self._come = threading.Lock()
        self._come.acquire()
        self.outcome: Outcome | None = None
        self.thread = threading.get_ident()

    def wait(self) -> None:
        """Until either comes."""
        self._come.acquire()

    def come(self) -> None:
        """Wake the thread, which then writes for all that wait."""
        self._come.release()

    def resolve(self, outcome: Outcome) -> None:
        """Wake the thread with its outcome; the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            self._come.release()


class Writer:
    """Saves single events for many threads, over one connection; usable in a forked process."""

    def __init__(self, saving: Saving, session: Session) -> None:
        """Write on this session, which is the writer's own from now on."""
        self._saving = saving
        self._session = session
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Nobody is at work, and nobody waits; in a forked process nobody of this one is."""
        self._process = os.getpid()
        self._state = threading.Condition()
        self._queue: Queue[Turn] = Queue()
        self._leader: Waiter[Turn] | None = None
        self._followers: list[Waiter[Turn]] = []

    def save(self, topic: str, single: Single) -> Stored:
        """Save the event; what is raised concerns it alone, or the server."""
        if self._process != os.getpid():
            self._begin()
        turn = Turn()
        waiter = Waiter(topic, single, turn)
        try:
            if not self._starts(waiter):
                turn.wait()
            if turn.outcome is None:
                return self._lead(waiter)
            return told(turn.outcome)
        finally:
            self._settle(waiter)

    def close(self) -> None:
        """Let in nobody more, finish what was let in, then close the connection; twice is fine.

        A signal handler may call it while its own thread is saving: then that save closes.
        """
        with self._state:
            self._closed = True
            self._state.notify_all()
            if self._leader is not None and self._leader.signal.thread == threading.get_ident():
                return
            self._state.wait_for(lambda: self._leader is None)
        self._session.close()

    def _starts(self, waiter: Waiter[Turn]) -> bool:
        """True if nobody is at work, so that the turn is one's own; else wait in the queue."""
        with self._state:
            self._state.wait_for(lambda: self._closed or not self._queue.full)
            if self._closed:
                raise closed_store()
            if self._leader is None:
                self._leader = waiter
                return True
            self._queue.enter(waiter)
            return False

    def _lead(self, waiter: Waiter[Turn]) -> Stored:
        """Write for this one and for all that wait."""
        with self._state:
            self._followers = self._queue.turn()
            self._state.notify_all()
        topic, single = waiter.topic, waiter.single
        if not self._followers:
            return self._session.run(
                lambda scope: self._saving.one(scope, topic, single.event, single.terms)
            )
        waiters = [waiter, *self._followers]
        try:
            outcomes = self._session.run(lambda scope: writing(self._saving, scope, waiters))
        except ServerUnavailable as error:
            outcomes = [error.again() for _ in waiters]
        for follower, outcome in zip(self._followers, outcomes[1:], strict=True):
            follower.signal.resolve(outcome)
        return told(outcomes[0])

    def _settle(self, waiter: Waiter[Turn]) -> None:
        """Leave the queue, or hand on the turn, if either is still so; often it is neither."""
        with self._state:
            if self._leader is waiter:
                self._hand_on()
            elif waiter.signal.outcome is None:
                self._queue.leave(waiter)
                self._state.notify_all()

    def _hand_on(self) -> None:
        """Leave nobody without an answer, and let the first that waits lead."""
        for follower in self._followers:
            if follower.signal.outcome is None:
                follower.signal.resolve(interrupted("the thread that wrote it was interrupted"))
        self._followers = []
        self._leader = self._queue.first()
        if self._leader is not None:
            self._leader.signal.come()
        elif self._closed:
            self._session.close()
        self._state.notify_all()
