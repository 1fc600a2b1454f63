"""What commands print: data on stdout, narration on stderr, bars only where someone watches."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

PLAIN_INTERVAL_S = 10.0
"""How often progress is told to a log, where no terminal shows bars."""


def data(text: str) -> None:
    """Print one line of the result on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def data_json(value: object) -> None:
    """Print one value as one line of JSON on stdout, at once."""
    data(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def narrate(text: str) -> None:
    """Tell the person what happens, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def console() -> Console:
    """A rich console on stderr; it honours NO_COLOR and a missing terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars with ETA on a terminal, else a plain line per unfinished task every ten seconds."""
    from rich import progress as rich_progress

    screen = console()
    bars = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        rich_progress.TimeRemainingColumn(compact=True),
        console=screen,
        disable=not screen.is_terminal or "MAINSTEM_NO_PROGRESS" in os.environ,
    )
    with told_plainly(bars, PLAIN_INTERVAL_S) if bars.disable else bars:
        yield bars


@contextmanager
def told_plainly(bars: Progress, interval_s: float) -> Iterator[None]:
    """Narrate the unfinished tasks at each interval until the block ends."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(interval_s):
            for task in bars.tasks:
                if not task.finished:
                    narrate(plain(task))

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def plain(task: Task) -> str:
    """`saved: 31,204 of 39,529, 2 s left`."""
    text = f"{task.description}: {task.completed:,.0f}"
    if task.total is not None:
        text += f" of {task.total:,.0f}"
    if task.time_remaining is not None:
        text += f", {task.time_remaining:.0f} s left"
    return text
