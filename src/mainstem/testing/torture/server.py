"""A PostgreSQL of the run's own, which may be killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mainstem.stack.guard import guarded
from mainstem.stack.stack import Stack, StackSettings
from mainstem.testing.torture.strikes import KillServer

NO_KAFKA = "not-needed:9092"


class OwnServer(NamedTuple):
    """Where it is, and how it is killed and started again."""

    database_url: str
    kill: KillServer


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """PostgreSQL in a temporary folder, for the block."""
    folder = Path(tempfile.mkdtemp(prefix="mainstem-torture-"))
    stack = Stack(folder / ".mainstem", settings=StackSettings(None, NO_KAFKA, fsync=False))

    def kill() -> None:
        stack.kill("postgres")
        stack.start("postgres")

    with guarded(stack.directory):
        try:
            stack.up()
            yield OwnServer(str(stack.state.database_url), kill)
        finally:
            stack.down(wipe=True)
            shutil.rmtree(folder, ignore_errors=True)
