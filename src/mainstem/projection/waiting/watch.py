"""The watch: one thread that looks how far things are, for all who wait, while somebody does."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

from mainstem.errors import ConnectionMisused, MainstemError, NotCaughtUp, ProjectionHalted
from mainstem.event import format_lsn
from mainstem.projection.waiting.looking import Looker, WatchSettings
from mainstem.projection.waiting.marks import Behind, told

IDLE_S: Final = 30.0
"""Without anybody who waits, connections are closed after this long."""
END_S: Final = 1.0
"""For a request that is under way; a server that is away may take longer, and holds up nobody."""


class Ticket(NamedTuple):
    """Somebody who waits."""

    lsn: int
    future: Future[None]


class Watch:
    """Tickets in, their futures done: when the token is reached, or when there is no hope.

    Threads share it. In a forked process it begins anew and leaves its parent's alone.
    """

    def __init__(self, settings: WatchSettings) -> None:
        """Nobody waits yet, and nothing is connected."""
        self._settings = settings
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Nothing is known, in this process."""
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._tickets: list[Ticket] = []
        self._thread: threading.Thread | None = None
        self._reached_lsn = 0
        self._published_lsn: int | None = None
        self._behind: list[Behind] = []

    def reached(self, lsn: int) -> Future[None] | None:
        """What is done once the projections are past this; None where they are known to be.

        It fails with ProjectionHalted, with ServerUnavailable, or with what else went wrong.
        """
        if self._process != os.getpid():
            self._begin()
        if lsn <= self._reached_lsn:
            return None
        ticket = Ticket(lsn, Future())
        with self._changed:
            if self._closed:
                raise closed()
            self._tickets.append(ticket)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="mainstem-waiter", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        return ticket.future

    def late(self, lsn: int, timeout_s: float) -> NotCaughtUp:
        """The error for one whose time is up: it tells how far things are."""
        where = self._where(lsn)
        return NotCaughtUp(f"{format_lsn(lsn)} was not reached within {timeout_s:g} s: {where}")

    def _where(self, lsn: int) -> str:
        """What somebody who waits for this waits for."""
        if self._published_lsn is None:
            return "Kafka has not told yet where the replicator is"
        if not self._published_lsn:
            topics, line = ", ".join(self._settings.topics), self._settings.line.name
            return f"the replicator's line {line} does not carry {topics} yet"
        if self._published_lsn < lsn:
            return f"the replicator is at {format_lsn(self._published_lsn)}"
        return told(self._behind) or "it was all but reached"

    def close(self) -> None:
        """Let everybody who waits fail, and leave the servers; twice is fine."""
        if self._process != os.getpid():
            self._begin()
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify()
        self._fail(closed())
        if thread is not None:
            thread.join(END_S)

    def _run(self) -> None:
        """The thread: turn after turn, from connections of its own."""
        while not self._has_ended():
            try:
                with Looker(self._settings) as looker:
                    while self._is_wanted():
                        self._turn(looker)
            except MainstemError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001  # Whoever waits must hear of it.
                failure = MainstemError(f"the waiter failed by {type(error).__name__}")
                failure.__cause__ = error
                self._fail(failure)

    def _is_wanted(self) -> bool:
        """Wait until somebody waits; False at the end, or when nobody came for long."""
        with self._changed:
            self._prune()
            if not self._tickets:
                self._changed.wait_for(lambda: self._tickets or self._closed, IDLE_S)
            return bool(self._tickets) and not self._closed

    def _has_ended(self) -> bool:
        """Whether the thread is not needed now; a later ticket begins another one."""
        with self._changed:
            self._prune()
            if self._tickets and not self._closed:
                return False
            self._thread = None
        if self._closed:
            self._fail(closed())
        return True

    def _prune(self) -> None:
        """Forget those who are served, and those who gave up."""
        self._tickets = [ticket for ticket in self._tickets if not ticket.future.done()]

    def _turn(self, looker: Looker) -> None:
        """Look once at what the tickets wait for."""
        tickets = list(self._tickets)
        self._published_lsn = looker.look_at_replicator([ticket.lsn for ticket in tickets])
        reached_lsn, self._behind = looker.look_at_offsets([ticket.lsn for ticket in tickets])
        self._reached_lsn = max(self._reached_lsn, reached_lsn)
        halted = [each for each in self._behind if each.halted_by]
        with self._changed:
            for ticket in tickets:
                if ticket.lsn <= self._reached_lsn:
                    settle(ticket.future)
                elif halted and ticket.lsn <= looker.marked_lsn:
                    settle(ticket.future, halted_error(halted))
            arrived = len(self._tickets) > len(tickets)
            if looker.pause_s and not arrived:
                self._changed.wait(looker.pause_s)

    def _fail(self, error: MainstemError) -> None:
        """Let everybody who waits know."""
        with self._changed:
            for ticket in self._tickets:
                settle(ticket.future, error)
            self._tickets = []


def settle(future: Future[None], error: MainstemError | None = None) -> None:
    """Let one who waits go on, unless they gave up; for whoever holds the lock."""
    if not future.done() and future.set_running_or_notify_cancel():
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error.again())


def halted_error(halted: Sequence[Behind]) -> ProjectionHalted:
    """The error for those who would wait in vain."""
    why = ", ".join(sorted({str(each.halted_by) for each in halted}))
    return ProjectionHalted(f"{told(halted)} and halted there by {why}")


def closed() -> ConnectionMisused:
    """The error for a waiter that is used after its end."""
    return ConnectionMisused("the waiter is closed", hint="open a new one")
