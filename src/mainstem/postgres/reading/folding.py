"""Folding: the state that the events of one key add up to; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from mainstem.event import StoredEvent

S = TypeVar("S")

Evolve: TypeAlias = Callable[[S, StoredEvent[Any]], S]
"""(state, event) -> the state after it."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """The state of a stream, that is of the events with one key."""

    state: S
    version: int
    """Version of the last event where the topic is versioned, else how many events there are;
    0 for a stream without events. What `expected_version=` wants to be given."""
    last_id: int | None
    """Id of the last event; None for a stream without events."""


class Folding(Generic[S]):
    """Folds the events of a stream as they are read."""

    def __init__(self, evolve: Evolve[S], initial: S) -> None:
        """Begin with the state of a stream without events."""
        self._evolve = evolve
        self._loaded = Loaded(initial, 0, None)

    @property
    def loaded(self) -> Loaded[S]:
        """What the events so far add up to."""
        return self._loaded

    def take(self, events: Iterable[StoredEvent[Any]]) -> None:
        """Go on with these; what `evolve` raises goes to the caller."""
        state, version = self._loaded.state, self._loaded.version
        last_id = self._loaded.last_id
        for event in events:
            state = self._evolve(state, event)
            version = version + 1 if event.version is None else event.version
            last_id = event.id
        self._loaded = Loaded(state, version, last_id)
