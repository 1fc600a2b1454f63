"""The steps at which a projector can be struck down; tests try each of them."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias


class Point(enum.Enum):
    """A step of a projector's work."""

    ASSIGNED = "assigned"
    """Partitions were given to this member, and their offsets are read."""
    OFFSETS = "offsets"
    """The offsets are moved, in a transaction that is open."""
    HANDLED = "handled"
    """The handlers are done; the commit is next."""
    COMMITTED = "committed"
    REVOKED = "revoked"
    """Partitions are about to be given up."""


Probe: TypeAlias = Callable[[Point], None]


def no_probe(point: Point) -> None:
    """Do nothing, as in production."""
