"""The demo on a terminal, with bars, or as plain lines where nobody watches; on stderr."""

from __future__ import annotations

import os
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from mainstem.demo.narration import Progress, Screen, progress_line

PLAIN_INTERVAL_S = 5.0
BAR_CELLS = 36


def screen() -> Screen:
    """The screen that fits: bars on a terminal, plain lines in a pipe or log."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if console.is_terminal and "MAINSTEM_NO_PROGRESS" not in os.environ:
        return BarScreen(console)
    return PlainScreen()


class PlainScreen:
    """Lines only, and how far things are every five seconds."""

    def __init__(self) -> None:
        """Say nothing yet."""
        self._told_s: float | None = None

    def say(self, text: str) -> None:
        """Show one line, at once."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def progress(self, progress: Progress) -> None:
        """Show how far things are, if that was not said within the last five seconds."""
        now_s = time.monotonic()
        if self._told_s is None:
            self._told_s = now_s
        elif now_s - self._told_s >= PLAIN_INTERVAL_S:
            self._told_s = now_s
            self.say(progress_line(progress))

    def finish(self) -> None:
        """There are no bars to end."""


class BarScreen:
    """Two bars below the lines: what is saved, and what is in Kafka."""

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self._console = console
        self._bars: Bars | None = None

    def say(self, text: str) -> None:
        """Show one line, above the bars."""
        self._console.print(text, markup=False, style=style_of(text))

    def progress(self, progress: Progress) -> None:
        """Move the bars."""
        if self._bars is None:
            self._bars = bars_for(self._console, progress.total)
            self._bars.start()
        self._bars.update(
            self._bars.task_ids[0],
            completed=progress.saved,
            note=f"{progress.events_per_s:,.0f}/s",
        )
        self._bars.update(
            self._bars.task_ids[1],
            completed=progress.in_kafka,
            note=f"{progress.behind_s:.1f} s behind",
        )

    def finish(self) -> None:
        """Leave the bars as they stand, and give the terminal back."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def bars_for(console: Console, total: int) -> Bars:
    """The two bars, not yet shown."""
    bars = Bars(
        TextColumn("   {task.description:<9}"),
        BarColumn(BAR_CELLS),
        TextColumn("{task.completed:>7,.0f}"),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
    bars.add_task("saved", total=total, note="")
    bars.add_task("in Kafka", total=total, note="")
    return bars


def style_of(text: str) -> str | None:
    """Green for what answered, red for what was struck down."""
    mark = text.lstrip()[:1]
    return {"✓": "green", "✗": "red"}.get(mark)
