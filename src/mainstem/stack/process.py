"""Processes that outlive us: start them, know them again later, end them within a bound."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mainstem.stack.account import Account

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a process: what, where, as whom."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that is not mistaken for a later one with the same number."""

    pid: int
    born: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        # A child of ours that ended is a zombie until someone asks, and a killed one may be shown
        # as such while its threads still hold its port.
        with suppress(ChildProcessError):
            ended, _ = os.waitpid(self.pid, os.WNOHANG)
            return ended == 0
        return birth(self.pid) == self.born

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self, timeout_s: float) -> bool:
        """Wait for its end; False if it still runs after the bound."""
        deadline_s = time.monotonic() + timeout_s
        while self.alive():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(POLL_S)
        return True


def start(launch: Launch, log: Path) -> Identity:
    """Start a process in a session of its own, so that Ctrl-C here does not reach it."""
    account = launch.account
    with log.open("wb") as output:
        child = subprocess.Popen(
            launch.command,
            cwd=launch.folder,
            env={**os.environ, **launch.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    # It shall outlive this object; Identity.alive asks for its end.
    child.returncode = 0
    return Identity(child.pid, birth(child.pid) or "")


def run(launch: Launch, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a process to its end and keep what it said."""
    account = launch.account
    return subprocess.run(
        launch.command,
        cwd=launch.folder,
        env={**os.environ, **launch.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def birth(pid: int) -> str | None:
    """When a process began, as text that no other process of this number has; None if it ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else birth_by_ps(pid)
    # The name before the last parenthesis may hold anything.
    fields = text.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{ticks}"


def birth_by_ps(pid: int) -> str | None:
    """The same where there is no /proc."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    state, _, began = found.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()


def working_in(folder: Path, program: str) -> list[Identity]:
    """Processes of a program whose working directory is this folder (none without /proc)."""
    found: list[Identity] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            inside = (entry / "cwd").readlink() == folder.resolve()
            if inside and (entry / "exe").readlink().name.split(" ")[0] == program:
                pid = int(entry.name)
                found.append(Identity(pid, birth(pid) or ""))
    return found
