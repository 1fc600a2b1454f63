"""Bugs that can be planted in an instance: each takes away one thing that results hang on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from mainstem.kafka.topics import Topics
from mainstem.streams import engine as engines
from mainstem.streams import founding
from mainstem.streams import store as stores
from mainstem.streams.settings import StreamSettings


def unguarded() -> None:
    """State is restored to the last stable offset alone, as the engine does by itself."""
    setattr(engines, "guard", lambda *_: None)  # noqa: B010  # It is imported there.


def random_id() -> None:
    """The transactional id is another one after each start, as the engine has it by itself."""
    sound = StreamSettings.producer

    def randomly(self: StreamSettings, app: str) -> dict[str, Any]:
        return sound(self, app) | {"transactional.id": uuid4().hex}

    StreamSettings.producer = randomly  # type: ignore[method-assign]  # The bug.


def earliest() -> None:
    """Offsets that are lost begin anew at the first event, and nobody is told."""
    sound = engines.Engine._configuration

    def resetting(self: engines.Engine) -> dict[str, Any]:
        return sound(self) | {"auto_offset_reset": "earliest"}

    engines.Engine._configuration = resetting  # type: ignore[method-assign]  # The bug.
    found = founding.found

    def trusting(kafka: Any, topology: Any, **options: Any) -> dict[str, str]:
        try:
            return found(kafka, topology, **options)
        except Exception:  # noqa: BLE001  # The bug.
            return Topics(kafka).ids(topology.roles())

    setattr(stores, "found", trusting)  # noqa: B010  # It is imported there.


BUGS: dict[str, Callable[[], None]] = {
    "unguarded": unguarded,
    "random-id": random_id,
    "earliest": earliest,
}


def plant(name: str) -> None:
    """Plant a bug in this process."""
    BUGS[name]()
