"""Several servers at once: all of them answer, or none of them stays; and their common end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mainstem.errors import StackError
from mainstem.stack.artifacts import Say, row
from mainstem.stack.ports import demand_free
from mainstem.stack.process import Identity, start
from mainstem.stack.server import Server, answered
from mainstem.stack.state import Started

Keep: TypeAlias = Callable[[str, Started], None]
"""Remembers a server under its name."""

STOP_TIMEOUT_S = 15.0
KILL_TIMEOUT_S = 10.0
STOP_SIGNALS = {
    "registry": signal.SIGTERM,
    "kafka": signal.SIGTERM,
    # Fast shutdown: sessions are ended, nothing is waited for.
    "postgres": signal.SIGINT,
}
"""How each server is asked to end."""


def start_all(servers: Sequence[Server], logs: Path, progress: Say, keep: Keep) -> None:
    """Start servers side by side; if one fails its error is raised, and the others are ended.

    Each is kept as soon as its process is there, and again when it answers: whoever is killed
    meanwhile leaves no process that nobody knows.
    """
    logs.mkdir(parents=True, exist_ok=True)
    cancelled = threading.Event()
    jobs: dict[str, Future[Started]] = {}
    try:
        with ThreadPoolExecutor(len(servers)) as pool, cancelling(cancelled):
            for server in servers:
                log = logs / f"{server.name}.log"
                jobs[server.name] = pool.submit(begin, server, log, cancelled, keep)
                jobs[server.name].add_done_callback(partial(tell, progress))
            for job in as_completed(jobs.values()):
                job.result()
    except BaseException:
        whole = {name: job for name, job in jobs.items() if job.done() and not job.exception()}
        stop_all({name: job.result().identity for name, job in whole.items()})
        raise


def tell(progress: Say, job: Future[Started]) -> None:
    """Show a server that answers."""
    if not job.cancelled() and not job.exception():
        started = job.result()
        progress(row(started.title, started.address, started.start_s or 0.0))


def begin(server: Server, log: Path, cancelled: threading.Event, keep: Keep) -> Started:
    """Prepare a server, start it, and wait for it."""
    began_s = time.monotonic()
    server.prepare()
    demand_free(server.title, server.port)
    identity = start(server.launch(), log)
    started = Started(server.title, server.address, identity)
    keep(server.name, started)
    answered(server, identity, log, cancelled)
    started = replace(started, start_s=round(time.monotonic() - began_s, 2))
    keep(server.name, started)
    return started


@contextmanager
def cancelling(cancelled: threading.Event) -> Iterator[None]:
    """Tell the others at once when something fails, Ctrl-C included."""
    try:
        yield
    except BaseException:
        cancelled.set()
        raise


def stop_all(identities: Mapping[str, Identity]) -> None:
    """Ask all of them to end, then make them; StackError names what does not end even so."""
    for name, identity in identities.items():
        identity.send(STOP_SIGNALS[name])
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    for name, identity in identities.items():
        if not identity.ended(max(0.0, deadline_s - time.monotonic())):
            end(name, identity)


def end(name: str, identity: Identity) -> None:
    """SIGKILL a server; StackError if it does not end even then."""
    identity.send(signal.SIGKILL)
    if not identity.ended(KILL_TIMEOUT_S):
        raise StackError(
            f"{name} (process {identity.pid}) does not end {KILL_TIMEOUT_S:.0f} s after SIGKILL",
            hint="the machine may be overloaded or its disk away; try again",
        )
