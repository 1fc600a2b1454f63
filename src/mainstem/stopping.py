"""How a service is asked to stop, and how long it may take over it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

GRACE_S = 4.0
"""Time for the batch at hand; together with the way out it stays within 5 s."""


class Stopped(Exception):
    """The service was asked to stop."""


class Stop:
    """A request to stop, from a signal handler or another thread; asking twice is fine."""

    def __init__(self) -> None:
        """Not requested yet."""
        self._event = threading.Event()
        self._requested_s = 0.0
        self._interruptible = False

    def request(self) -> None:
        """Ask to stop."""
        if not self._event.is_set():
            self._requested_s = time.monotonic()
            self._event.set()

    def interrupt(self, *_: object) -> None:
        """Ask to stop, as a signal handler does.

        In an interruptible part it raises Stopped there and then, so that no wait for a server
        outlasts the request.
        """
        self.request()
        if self._interruptible:
            raise Stopped

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A part that a signal may leave at any point, because nothing in it needs finishing."""
        self._interruptible = True
        try:
            # Behind the flag: a request that came before it is seen here, a later one raises.
            if self.requested:
                raise Stopped
            yield
        finally:
            self._interruptible = False

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def overdue(self) -> bool:
        """Whether the batch at hand must be given up."""
        return self.requested and time.monotonic() > self._requested_s + GRACE_S

    def pause(self, seconds: float) -> None:
        """Wait; raises Stopped when asked to stop meanwhile."""
        if self._event.wait(seconds):
            raise Stopped
