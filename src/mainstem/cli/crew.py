"""Crew: several services in one process, each in a thread; they end together."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, TypeAlias

from mainstem.cli.output import narrate
from mainstem.stopping import Stop

LOOK_S: Final = 0.2
LAST_S: Final = 4.2
"""Behind this time after the request to stop nobody is waited for; the process ends within 5 s."""

Ended: TypeAlias = "SimpleQueue[tuple[str, BaseException | None]]"


def work_together(works: Mapping[str, Callable[[], None]], stop: Stop) -> None:
    """Do all the works until each has ended; the first that fails stops the others.

    Raises what the first one failed by, after the others have ended.
    """
    ended: Ended = SimpleQueue()
    for name, work in works.items():
        Thread(target=worker, args=(name, work, ended), name=name, daemon=True).start()
    failure = wait_for_all(set(works), ended, stop)
    if failure is not None:
        raise failure


def worker(name: str, work: Callable[[], None], ended: Ended) -> None:
    """In a thread: do the work, and say how it ended."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001  # It is raised where somebody sees it.
        ended.put((name, error))
    else:
        ended.put((name, None))


def wait_for_all(working: set[str], ended: Ended, stop: Stop) -> BaseException | None:
    """What the first one failed by, when all have ended or their time is over."""
    failure: BaseException | None = None
    stopping_s: float | None = None
    while working:
        if stop.requested and stopping_s is None:
            stopping_s = time.monotonic()
        if stopping_s is not None and time.monotonic() - stopping_s > LAST_S:
            narrate(f"not ended in time, and given up: {', '.join(sorted(working))}")
            return failure
        try:
            name, error = ended.get(timeout=LOOK_S)
        except Empty:
            continue
        working.discard(name)
        if error is not None and failure is None:
            failure = error
            if working and not stop.requested:
                narrate(f"{name} failed; stopping {', '.join(sorted(working))}")
            stop.request()
    return failure


@contextmanager
def stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C ask to stop, for the block."""

    def asked(*_: object) -> None:
        stop.request()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, asked) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
