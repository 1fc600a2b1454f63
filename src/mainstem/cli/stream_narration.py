"""StreamNarrator: a stream application's life as lines, JSON or a bar."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mainstem.cli.output import data_json, narrate
from mainstem.cli.project import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from mainstem.streams.reporting import Restore, StreamStatus

STEP = 1000.0


class StreamNarrator:
    """Tells an application's life: a line of figures per interval, a bar while it restores."""

    def __init__(self, name: str, bars: Progress, *, as_json: bool) -> None:
        """Figures go to stdout as JSON lines if asked, else to stderr as text."""
        self._name = name
        self._bars = bars
        self._as_json = as_json
        self._task: TaskID | None = None
        self._working = False

    def note(self, text: str) -> None:
        """Tell what happens once."""
        narrate(f"{self._name} · {text}")

    def status(self, status: StreamStatus) -> None:
        """Tell the figures of an interval."""
        if self._as_json:
            data_json(as_object(status))
        else:
            self.note(as_line(status))

    def restoring(self, restore: Restore) -> None:
        """Move the bar; begin with one, and with a line for those who see no bars."""
        self._working = False
        if self._task is None:
            self.note(f"restores its state, {restore.total:,} changes")
            self._task = self._bars.add_task(f"{self._name} restores", total=restore.total)
        self._bars.update(self._task, completed=restore.done, total=restore.total)

    def at_work(self) -> None:
        """Tell that it processes, once after each wait."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        if not self._working:
            self._working = True
            self.note("at work")


def as_object(status: StreamStatus) -> dict[str, object]:
    """The figures as a JSON object."""
    return asdict(status) | {"events_per_s": round(status.events_per_s, 1)}


def as_line(status: StreamStatus) -> str:
    """`39,529 events · 1,204/s · 12 behind · 3 partitions · state 1.2 MB`, and any trouble."""
    parts = [
        counted(status.events, "event"),
        f"{status.events_per_s:,.0f}/s",
        f"{status.lag_events:,} behind" if status.lag_events else "nothing behind",
        counted(status.assigned, "partition"),
        f"state {size(status.state_bytes)}",
    ]
    trouble = {"late": status.late, "set aside": status.dead_letters}
    return " · ".join(parts + [f"{count:,} {what}" for what, count in trouble.items() if count])


def size(count: int) -> str:
    """`812 B`, `1.2 MB`."""
    if count < STEP:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB"):
        value /= STEP
        if value < STEP:
            return f"{value:.1f} {unit}"
    return f"{value / STEP:.1f} GB"
