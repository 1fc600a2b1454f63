"""Where a stack keeps its data, and who may work on it at one time."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mainstem.errors import StackError
from mainstem.stack.account import reachable, unprivileged
from mainstem.stack.ports import choose
from mainstem.stack.state import StackState, save

LOCK_TIMEOUT_S = 90.0
LOCK_POLL_S = 0.1
PORTS = ("postgres", "kafka", "controller", "registry", "management")
OUTSIDE = Path("/var/tmp")  # noqa: S108 - the folder itself is made by mkdtemp, never guessed
PREFIX = "mainstem-"
SEARCHABLE = 0o711


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Alone with this folder: another `up` or `down` waits, within a bound."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise StackError(
            f"{directory} cannot be written: {error.strerror}", hint="change into a folder of yours"
        ) from error
    with lock:
        deadline_s = time.monotonic() + LOCK_TIMEOUT_S
        while not taken(lock.fileno()):
            if time.monotonic() > deadline_s:
                raise StackError(
                    f"another mainstem command worked on {directory} for {LOCK_TIMEOUT_S:.0f} s",
                    hint="wait for it or end it, then try again",
                )
            time.sleep(LOCK_POLL_S)
        yield


def taken(lock: int) -> bool:
    """Try to take the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def settled(directory: Path, state: StackState) -> StackState:
    """The state with ports and places chosen, kept for the next time."""
    chosen = replace(state, ports=ports(state.ports))
    if not state.postgres_home and "postgres" not in state.given:
        chosen = replace(chosen, postgres_home=str(postgres_home(directory)))
    if chosen != state:
        save(directory, chosen)
    return chosen


def ports(known: Mapping[str, int]) -> dict[str, int]:
    """The known ports, and a free one for each that is not known yet."""
    chosen = dict(known)
    for name in PORTS:
        if name not in chosen:
            chosen[name] = choose(set(chosen.values()))
    return chosen


def postgres_home(directory: Path) -> Path:
    """PostgreSQL's folder: here, or where the user that it runs as can reach it.

    No parent's mode is changed for that: what is under /root stays closed.
    """
    if unprivileged() is None or reachable(directory):
        return directory / "postgres"
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=OUTSIDE))
    home.chmod(SEARCHABLE)
    return home


def outside(state: StackState) -> Path | None:
    """PostgreSQL's folder if it lies outside of the stack's own."""
    home = Path(state.postgres_home)
    return home if home.parent == OUTSIDE and home.name.startswith(PREFIX) else None


def wipe(directory: Path, state: StackState) -> None:
    """Remove all data of a stack that is down."""
    if home := outside(state):
        shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
