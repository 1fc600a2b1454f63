"""The replicator as a process of its own, so that it can be killed like any other."""

from __future__ import annotations

import psycopg

from mainstem.demo.process import ServiceProcess
from mainstem.demo.settings import Place
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.wal.slots import inspect_slot


class ReplicatorProcess(ServiceProcess):
    """`mainstem replicate` for one line."""

    def __init__(self, place: Place) -> None:
        """Start nothing yet."""
        super().__init__("replicator", ("replicate", "--line", place.line), place, place.log)

    def works(self) -> bool:
        """Whether it streams from its slot."""
        return slot_in_use(self._place)


def slot_in_use(place: Place) -> bool:
    """Whether a walsender serves the line's slot now."""
    slot = ReplicatorSettings(place.database_url, place.kafka, line=place.line).slot
    with psycopg.connect(place.database_url, autocommit=True) as connection:
        found = inspect_slot(connection, slot)
    return found is not None and found.active_pid is not None
