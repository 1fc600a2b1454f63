"""A service of ours as a process of its own, so that it can be killed like any other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from mainstem.demo.settings import Place
from mainstem.errors import StackError

LOG_LINES_MAX = 5
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05


class ServiceProcess:
    """One `mainstem …` service: started, held, killed, started again, stopped."""

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        place: Place,
        log: Path,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet. `extra` comes on top of the environment."""
        self._name = name
        self._arguments = arguments
        self._place = place
        self._log = log
        self._extra = extra or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the one that runs, or ran last."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it; `ready` tells when it works."""
        # Addresses go by the environment: a command line is shown to every user of the machine.
        environment = {
            **os.environ,
            "MAINSTEM_DATABASE_URL": self._place.database_url,
            "MAINSTEM_KAFKA_BOOTSTRAP": self._place.kafka.bootstrap,
            **self._extra,
        }
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops it in order.
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mainstem", *self._arguments),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, timeout_s: float) -> None:
        """Wait until it works; StackError with its last words if it does not."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await asyncio.to_thread(self.works):
                    self.check()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise self._failure(f"was not ready within {timeout_s:.0f} s") from None

    def works(self) -> bool:
        """Whether it is at its work by now."""
        raise NotImplementedError

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
        """The error that names what happened and what it said last."""
        said = "\n".join(f"  {line}" for line in last_lines(self._log))
        return StackError(
            f"the {self._name} (pid {self.pid}) {what}; it said last:\n{said}",
            hint=f"the whole log is {self._log}, kept if you run with --keep",
        )


def last_lines(path: Path) -> list[str]:
    """The last five lines of a log."""
    with path.open(encoding="utf-8", errors="replace") as log:
        return [line.rstrip() for line in deque(log, LOG_LINES_MAX)]
