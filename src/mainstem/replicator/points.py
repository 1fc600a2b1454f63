"""The steps at which a replicator can be struck down; tests try each of them.

Each is called right after the step that it names. In production the probe does nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias


class Point(enum.Enum):
    """A step of the replicator, in the order of the data."""

    INTENT = "intent"
    SLOT_CREATED = "slot-created"
    FENCED = "fenced"
    BACKFILL_READ = "backfill-read"
    BACKFILL_PRODUCED = "backfill-produced"
    BACKFILL_COMMITTED = "backfill-committed"
    READ = "read"
    PRODUCED = "produced"
    PROGRESS = "progress"
    COMMITTED = "committed"
    ACKNOWLEDGED = "acknowledged"


Probe: TypeAlias = Callable[[Point], None]


def no_probe(_: Point) -> None:
    """Do nothing."""
