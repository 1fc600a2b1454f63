"""Watch: beside a follower, see that its stream still means what it meant when it began.

A dropped table, or one that left the publication, makes the stream silent, not broken; and a
consumer that is at work on one event for hours makes PostgreSQL keep its WAL for hours.
Neither is noticed by reading, so a thread looks now and then, and ends the stream by name.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from mainstem.errors import MainstemError, ServerUnavailable
from mainstem.postgres.following.session import Membership, Session
from mainstem.refusals import refusal

WATCH_S: Final = 1.0
JOIN_S: Final = 2.0
"""A server that does not answer must not keep the follower from ending."""
HELD_WAL_BYTES_MAX: Final = 4 << 30
"""A follower may hold back so much WAL, beyond what it had to catch up with when it began."""


class Watch:
    """Looks once a second until it is closed, or has found a trouble."""

    def __init__(
        self, session: Session, membership: Membership, slot: str, walsender_pid: int
    ) -> None:
        """Watch over this slot, whose reader is served by that process."""
        self._session = session
        self._membership = membership
        self._slot = slot
        self._walsender_pid = walsender_pid
        self._held_bytes_max = HELD_WAL_BYTES_MAX + session.held_bytes(slot)
        self._closed = threading.Event()
        self._trouble: MainstemError | None = None
        self._thread = threading.Thread(target=self._run, name="follow-watch", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what was found."""
        if self._trouble is not None:
            raise self._trouble

    def look(self) -> None:
        """Raise a Refusal where the stream does not mean any more what it meant."""
        held = self._session.membership()
        if held is None:
            raise refusal("publication-missing", "it was dropped while a follower read through it")
        if held.table_oid != self._membership.table_oid:
            raise refusal("table-replaced", "the topic's table was dropped, renamed or replaced")
        if held.identity != self._membership.identity:
            raise refusal("publication-altered", "the table left it, or its options were altered")
        bytes_held = self._session.held_bytes(self._slot)
        if bytes_held > self._held_bytes_max:
            raise refusal(
                "follower-too-slow",
                f"{bytes_held} bytes of WAL are held back, {self._held_bytes_max} may be",
            )

    def _run(self) -> None:
        """Look, and cut the stream off at the first trouble."""
        broken = False
        while not self._closed.wait(WATCH_S):
            try:
                if broken:
                    self._session.renew()
                self.look()
                broken = False
            except ServerUnavailable:
                # If the server is away, the reader meets it; if only this connection broke, what
                # happened meanwhile still shows afterwards.
                broken = True
            except MainstemError as trouble:
                self._trouble = trouble
                with suppress(MainstemError):
                    self._session.cut(self._walsender_pid)
                return

    def __enter__(self) -> Self:
        """Itself; leaving ends its thread."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(JOIN_S)
