"""The projection's kills: each in the middle of a transaction of its, and how it is survived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mainstem.demo.projecting import ProjectionWatch, ProjectorProcess
from mainstem.demo.proof import ProjectionKill
from mainstem.demo.settings import DemoSettings
from mainstem.demo.tally import Tally
from mainstem.errors import ServerUnavailable

POLL_S = 0.005
COMMIT_S = 0.03
"""A commit that was sent before its sender was held is through by then."""
IN_PROGRESS = "in progress"


class ProjectionKiller:
    """Deals one kill after another to a projection at work."""

    def __init__(
        self,
        settings: DemoSettings,
        projector: ProjectorProcess,
        watch: ProjectionWatch,
        tally: Tally,
    ) -> None:
        """Deal nothing yet."""
        self._settings = settings
        self._projector = projector
        self._watch = watch
        self._tally = tally

    async def kill_at(self, saved: int) -> ProjectionKill:
        """Once so many events are saved, kill -9 in mid-transaction and see a successor at work.

        Raises ServerUnavailable when the successor applies nothing in time.
        """
        async with self._patience(self._settings.drain_timeout_s):
            while self._tally.saved < saved:
                await self._breathe()
        transaction = await self._hold_in_mid_transaction()
        killed_s, killed_pid = time.monotonic(), self._projector.pid
        await self._projector.kill()
        outcome = await self._outcome(transaction)
        applied = await self._applied()
        await self._projector.start()
        async with self._patience(self._settings.kill_timeout_s):
            while not (applied < await self._applied() or self._tally.saved <= applied):
                await self._breathe()
        recovery_s = time.monotonic() - killed_s
        return ProjectionKill(killed_pid, self._projector.pid, applied, outcome, recovery_s)

    async def drained(self, timeout_s: float) -> None:
        """Wait until as much is applied as was saved, for a while at most; the proof will tell."""
        deadline_s = time.monotonic() + timeout_s
        while await self._applied() < self._tally.saved and time.monotonic() < deadline_s:
            await self._breathe()

    async def _hold_in_mid_transaction(self) -> str | None:
        """Hold the projector still while it has written and not committed; its transaction's id.

        None where that did not come about for a while.
        """
        deadline_s = time.monotonic() + self._settings.kill_timeout_s
        while time.monotonic() < deadline_s:
            await self._breathe()
            # A look first: holding it every few milliseconds would leave it no time to work.
            seen = await asyncio.to_thread(self._watch.transaction)
            if seen is None:
                continue
            self._projector.hold()
            await asyncio.sleep(COMMIT_S)
            if (held := await asyncio.to_thread(self._watch.transaction)) is not None:
                return held
            self._projector.release()
        return None

    async def _outcome(self, transaction: str | None) -> str:
        """What became of the transaction, once the server has noticed that its client is gone."""
        if transaction is None:
            return "none"
        outcome = IN_PROGRESS
        async with self._patience(self._settings.kill_timeout_s):
            while outcome == IN_PROGRESS:
                await asyncio.sleep(POLL_S)
                outcome = await asyncio.to_thread(self._watch.outcome, transaction)
        return outcome

    async def _applied(self) -> int:
        """How many events are in its table."""
        return await asyncio.to_thread(self._watch.applied)

    async def _breathe(self) -> None:
        """A moment later, and the projector still lives."""
        self._projector.check()
        await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def _patience(self, timeout_s: float) -> AsyncIterator[None]:
        """ServerUnavailable where the block takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError:
            pid = self._projector.pid
            raise ServerUnavailable(
                f"the projection (pid {pid}) did not get on within {timeout_s:.0f} s"
            ) from None
