"""A guard for passing stacks: their owner may be killed, and the servers end all the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.stack.stack import Stack

END_TIMEOUT_S = 60.0


@contextmanager
def guarded(directory: Path) -> Iterator[None]:
    """Within the block a process watches us; when we are gone it ends the stack and wipes it."""
    command = [sys.executable, "-m", "mainstem.stack.guard", str(directory)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)
    try:
        yield
    finally:
        # The end of its input is the sign, whether we close it or the kernel does after our death.
        guard.communicate(timeout=END_TIMEOUT_S)


def watch(directory: Path) -> None:
    """Wait for the end of our input, then leave nothing of the stack."""
    sys.stdin.read()
    Stack(directory).down(wipe=True)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
