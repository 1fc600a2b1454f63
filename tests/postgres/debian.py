"""PostgreSQL 15 as Debian packages it, beside the stack's own: the oldest that we support."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mainstem.stack.ports import choose
from mainstem.stack.postgresql import PostgreSQL
from mainstem.stack.process import start
from mainstem.stack.server import answered

BINARIES = Path("/usr/lib/postgresql/15")
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Debian(PostgreSQL):
    """The stack's way to run PostgreSQL, with other binaries."""

    @property
    def title(self) -> str:
        """Its name and version."""
        return "PostgreSQL 15"

    @property
    def software(self) -> Path:
        """Debian's, which every user reaches."""
        return BINARIES


def available() -> bool:
    """Whether this machine has it."""
    return (BINARIES / "bin/postgres").exists()


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Its address, while it runs with its data below this folder."""
    server = Debian(home, choose(set()), fsync=False)
    server.prepare()
    log = home / "log"
    identity = start(server.launch(), log)
    try:
        answered(server, identity, log, threading.Event())
        yield server.address
    finally:
        identity.send(signal.SIGINT)
        if not identity.ended(STOP_TIMEOUT_S):
            identity.send(signal.SIGKILL)
