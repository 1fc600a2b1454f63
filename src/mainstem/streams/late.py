"""Late events: those whose window is closed already; counted, and told with numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mainstem.streams.reporting import Counters


@dataclass(slots=True)
class Lateness:
    """What one window dropped."""

    events: int = 0
    """Counted for each window that an event came too late for: several, where windows overlap."""
    worst_ms: int = 0
    """How much longer its grace would have had to be for the worst of them."""
    told: int = 0


class LateEvents:
    """What all windows of an application dropped, by the window's name."""

    def __init__(self, counters: Counters) -> None:
        """Count there, too."""
        self.windows: dict[str, Lateness] = {}
        self._counters = counters

    def on_late(  # noqa: PLR0913, PLR0917  # What the engine tells.
        self,
        value: Any,
        key: Any,
        timestamp_ms: int,
        late_by_ms: int,
        start: int,
        end: int,
        store_name: str,
        topic: str,
        partition: int,
        offset: int,
    ) -> bool:
        """Note one; the engine's own line of log for each is not wanted, so False."""
        del value, key, start, end, timestamp_ms, topic, partition, offset
        lateness = self.windows.setdefault(store_name, Lateness())
        lateness.events += 1
        lateness.worst_ms = max(lateness.worst_ms, late_by_ms)
        self._counters.late += 1
        return False

    def news(self) -> list[str]:
        """A line for each window that dropped more since the last call."""
        lines = []
        for name, lateness in sorted(self.windows.items()):
            if lateness.events > lateness.told:
                dropped = lateness.events - lateness.told
                lines.append(
                    f"window {name} dropped {dropped:,} late events, {lateness.events:,} in all;"
                    f" {lateness.worst_ms / 1000:.1f} s more of grace would have kept them"
                )
                lateness.told = lateness.events
        return lines
