"""What tests of applications need: stores in memory, scenarios of deciders, a contract, servers.

The names below are loaded when first asked for, so that importing the pytest plugin costs nothing.
`mainstem.testing.contract` holds pytest cases and is imported by those who run them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainstem.testing.deciders import Decider, given
    from mainstem.testing.memory import AsyncInMemoryEventStore, InMemoryEventStore
    from mainstem.testing.memory_tables import MemoryTransaction

__all__ = [
    "AsyncInMemoryEventStore",
    "Decider",
    "InMemoryEventStore",
    "MemoryTransaction",
    "given",
]

PLACES = {
    "AsyncInMemoryEventStore": "memory",
    "Decider": "deciders",
    "InMemoryEventStore": "memory",
    "MemoryTransaction": "memory_tables",
    "given": "deciders",
}


def __getattr__(name: str) -> object:
    """A public name, from the file that holds it."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
