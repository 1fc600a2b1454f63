"""What the stack needs to know of a server, and how any of them is started."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Protocol

from mainstem.errors import StackError
from mainstem.stack.process import Identity, Launch, run

START_TIMEOUT_S = 60.0
POLL_S = 0.03
LOG_LINES = 5


class Server(Protocol):
    """A server that can be prepared, launched and asked whether it answers."""

    @property
    def name(self) -> str:
        """Its key in the state: postgres, kafka, registry."""

    @property
    def title(self) -> str:
        """Its name and version."""

    @property
    def address(self) -> str:
        """Where clients find it."""

    @property
    def port(self) -> int:
        """The port it must be given."""

    def prepare(self) -> None:
        """Fetch, format, and clear away what an unclean end left."""

    def launch(self) -> Launch:
        """How to start it."""

    def answers(self) -> bool:
        """Whether clients can work with it."""

    def settle(self) -> None:
        """What is left to do at a server that answers."""


def answered(server: Server, identity: Identity, log: Path, cancelled: threading.Event) -> None:
    """Wait until a server answers, and settle it; StackError with its last words if it does not.

    A server that failed is killed.
    """
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not server.answers():
            if trouble := trouble_of(identity, deadline_s, cancelled):
                raise failed(server, trouble, log)  # noqa: TRY301 - one way out for all failures
            time.sleep(POLL_S)
        server.settle()
    except BaseException:
        identity.send(signal.SIGKILL)
        raise


def trouble_of(identity: Identity, deadline_s: float, cancelled: threading.Event) -> str | None:
    """Why waiting for a server is over, if it is."""
    if not identity.alive():
        return "ended while it started"
    if cancelled.is_set():
        return "was not needed any more"
    if time.monotonic() > deadline_s:
        return f"did not answer within {START_TIMEOUT_S:.0f} s"
    return None


def failed(server: Server, what: str, log: Path) -> StackError:
    """The error of a server that did not start, with the end of its log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    said = "".join(f"\n  {line}" for line in lines) or "\n  (its log is empty)"
    return StackError(
        f"{server.title} {what}; its last log lines:{said}",
        hint=f"the whole log: {log}; if its data are damaged: mainstem down --wipe, then"
        " mainstem up",
    )


def carry_out(title: str, launch: Launch, timeout_s: float) -> None:
    """Run a tool of a server to its end; StackError with its last words if it fails."""
    ended = run(launch, timeout_s)
    if ended.returncode != 0:
        said = "".join(f"\n  {line}" for line in ended.stdout.splitlines()[-LOG_LINES:])
        tool = Path(launch.command[0]).name
        raise StackError(
            f"{title} could not be set up: {tool} exited with {ended.returncode}:{said}",
            hint="mainstem down --wipe removes what is half done; then mainstem up",
        )
