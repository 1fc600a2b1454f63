"""The kills: when they fall due, and how each is dealt and survived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from mainstem.demo.proof import Kill
from mainstem.demo.replication import ReplicatorProcess
from mainstem.demo.settings import DemoSettings
from mainstem.demo.tally import Tally
from mainstem.demo.watch import TopicWatch
from mainstem.errors import ServerUnavailable

POLL_S = 0.01
COMMIT_S = 0.05
"""A commit that was sent before its sender was held is through by then."""


def kill_points(settings: DemoSettings, event_count: int) -> list[int]:
    """After how many saved events each kill falls due: at random, once in each equal part.

    The same seed gives the same points.
    """
    return points(Random(settings.seed), settings.kills, event_count)


def projection_kill_points(settings: DemoSettings, event_count: int) -> list[int]:
    """The same for the kills of the projection, which have moments of their own."""
    return points(Random(f"projection {settings.seed}"), settings.kills, event_count)


def points(random: Random, kills: int, event_count: int) -> list[int]:
    """One moment in each equal part of the events."""
    part = event_count / max(1, kills)
    # Not late in its part: the successor needs the rest of it to be at work again.
    return [int(part * (index + random.uniform(0.1, 0.6))) for index in range(kills)]


class Killer:
    """Deals one kill after another to a replicator at work."""

    def __init__(
        self, settings: DemoSettings, replicator: ReplicatorProcess, watch: TopicWatch, tally: Tally
    ) -> None:
        """Deal nothing yet."""
        self._settings = settings
        self._replicator = replicator
        self._watch = watch
        self._tally = tally

    async def kill_at(self, saved: int) -> Kill:
        """Once so many events are saved, kill -9 in mid-transaction and see a successor at work.

        Raises ServerUnavailable when the successor carries nothing in time.
        """
        await self._until(lambda: self._tally.saved >= saved, self._settings.drain_timeout_s)
        await self._hold_in_mid_transaction()
        killed_s, killed_pid = time.monotonic(), self._replicator.pid
        await self._replicator.kill()
        at_event, in_flight = self._watch.count, self._tally.saved - self._watch.count
        await self._replicator.start()
        # The new process needs far longer to reach Kafka than these questions take.
        ends = await asyncio.to_thread(self._watch.uncommitted_ends)
        open_records = await asyncio.to_thread(self._watch.open_records)
        await self._until(lambda: self._carried(ends), self._settings.kill_timeout_s)
        recovery_s = time.monotonic() - killed_s
        return Kill(
            killed_pid, self._replicator.pid, at_event, in_flight, open_records, ends, recovery_s
        )

    async def drained(self, timeout_s: float) -> None:
        """Wait until as much is in Kafka as was saved, for a while at most; the proof will tell."""
        deadline_s = time.monotonic() + timeout_s
        while self._watch.count < self._tally.saved and time.monotonic() < deadline_s:
            self._replicator.check()
            self._watch.check()
            await asyncio.sleep(POLL_S)

    async def _hold_in_mid_transaction(self) -> None:
        """Hold the replicator still while a transaction of its is open, trying for a while at most.

        Transactions last milliseconds, so a blind kill would mostly hit the gap between two.
        """
        deadline_s = time.monotonic() + self._settings.kill_timeout_s
        while time.monotonic() < deadline_s:
            self._replicator.check()
            self._replicator.hold()
            if await self._open_for_sure():
                return
            self._replicator.release()
            await asyncio.sleep(POLL_S)

    async def _open_for_sure(self) -> bool:
        """Whether records hang in the air, and not only because a commit is on its way."""
        if await asyncio.to_thread(self._watch.open_records) == 0:
            return False
        await asyncio.sleep(COMMIT_S)
        return await asyncio.to_thread(self._watch.open_records) > 0

    def _carried(self, ends: dict[int, int]) -> bool:
        """Whether the successor has carried something, or nothing was left to carry."""
        return self._watch.passed(ends) or self._watch.count >= self._tally.saved

    async def _until(self, reached: Callable[[], bool], timeout_s: float) -> None:
        """Wait for a condition while the replicator lives."""
        try:
            async with asyncio.timeout(timeout_s):
                while not reached():
                    self._replicator.check()
                    self._watch.check()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pid = self._replicator.pid
            raise ServerUnavailable(
                f"the replicator (pid {pid}) did not get on within {timeout_s:.0f} s"
            ) from None
