"""Seat: under which name a projection counts its offsets, and in which schema its tables are."""

from __future__ import annotations

from typing import NamedTuple


class Seat(NamedTuple):
    """Where one run of a projection works: at the tables that serve, or at those of a rebuild."""

    group: str
    """The consumer group, and the key of its offsets."""
    schema: str
    """First in the search path: where the names that handlers write without a schema are."""
