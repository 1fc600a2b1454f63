"""The replicator as a process of its own, so that it can be killed like any other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque

import psycopg

from mainstem.demo.settings import Place
from mainstem.errors import StackError
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.wal.slots import inspect_slot

LOG_LINES_MAX = 5
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05


class ReplicatorProcess:
    """`mainstem replicate` for one line: started, killed, started again, stopped."""

    def __init__(self, place: Place) -> None:
        """Start nothing yet."""
        self._place = place
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the replicator that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start a replicator; it works once it holds the slot."""
        # Addresses go by the environment: a command line is shown to every user of the machine.
        environment = {
            **os.environ,
            "MAINSTEM_DATABASE_URL": self._place.database_url,
            "MAINSTEM_KAFKA_BOOTSTRAP": self._place.kafka.bootstrap,
        }
        with self._place.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops it in order.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mainstem", "replicate", "--line", self._place.line),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, timeout_s: float) -> None:
        """Wait until it streams from its slot; StackError with its last words if it does not."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await asyncio.to_thread(slot_in_use, self._place):
                    self.check()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise self._failure(f"was not ready within {timeout_s:.0f} s") from None

    def check(self) -> None:
        """StackError with its last words if it ended on its own."""
        if self._process is not None and self._process.returncode is not None:
            raise self._failure(f"ended by itself with exit code {self._process.returncode}")

    async def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def hold(self) -> None:
        """Freeze it where it is (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def release(self) -> None:
        """Let it go on (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Let it finish its batch and exit; kill it if it does not within 10 s."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        # One that is held still would never hear of it.
        self.release()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def _failure(self, what: str) -> StackError:
        """The error that names what happened and what the replicator said last."""
        said = "\n".join(f"  {line}" for line in last_lines(self._place))
        return StackError(
            f"the replicator (pid {self.pid}) {what}; it said last:\n{said}",
            hint=f"the whole log is {self._place.log}, kept if you run with --keep",
        )


def slot_in_use(place: Place) -> bool:
    """Whether a walsender serves the line's slot now."""
    slot = ReplicatorSettings(place.database_url, place.kafka, line=place.line).slot
    with psycopg.connect(place.database_url, autocommit=True) as connection:
        found = inspect_slot(connection, slot)
    return found is not None and found.active_pid is not None


def last_lines(place: Place) -> list[str]:
    """The last five lines of the replicator's log."""
    with place.log.open(encoding="utf-8", errors="replace") as log:
        return [line.rstrip() for line in deque(log, LOG_LINES_MAX)]
