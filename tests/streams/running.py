"""Running: how tests run an application on the real broker, and read what it wrote."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mainstem.event import StoredEvent
from mainstem.kafka.consumer import end_offsets, read
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Delivered
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams import Cipher, KafkaStreamsStore, StreamApp, StreamSettings
from mainstem.streams.reporting import Silent
from mainstem.streams.state import State
from mainstem.wire import Wire
from tests.streams.shop import BigOrder, Counted, OrderPaid, OrderPlaced, PaidOrder, Revenue

DEADLINE_S = 60.0
TYPES = (OrderPlaced, OrderPaid, BigOrder, Counted, Revenue, PaidOrder)


class Heard(Silent):
    """Keeps what is told once."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


class Running:
    """Applications of one test."""

    def __init__(self, settings: StreamSettings, registry: MemoryRegistry) -> None:
        """They share settings and registry."""
        self.settings = settings
        self.heard = Heard()
        self._registry = registry

    def store(
        self, app: StreamApp, *, cipher: Cipher | None = None, **changes: Any
    ) -> KafkaStreamsStore:
        """A store that was not started."""
        settings, registry = replace(self.settings, **changes), self._registry
        return KafkaStreamsStore(
            app, settings, registry=registry, cipher=cipher, reporter=self.heard
        )

    def messages(self, topic: str) -> list[Delivered]:
        """All committed messages of a topic."""
        kafka = self.settings.kafka
        batches = read(kafka, topic, until=end_offsets(kafka, topic))
        return [message for batch in batches for message in batch]

    def events(self, topic: str) -> list[StoredEvent[Any]]:
        """All committed events of a topic."""
        decoder = Decoder(Wire(self._registry, TYPES), str)
        return [decoder.stored(message) for message in self.messages(topic)]

    def wait_for(self, topic: str, count: int) -> list[StoredEvent[Any]]:
        """The events of a topic once there are so many; TimeoutError."""
        found: list[StoredEvent[Any]] = []

        def enough() -> bool:
            found[:] = self.events(topic)
            return len(found) >= count

        until(enough, f"{count} events in {topic}")
        return found


def until(condition: Callable[[], bool], what: str) -> None:
    """Call it again and again until it holds; it must do some waiting of its own."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"never: {what}")


def counted(event: StoredEvent[OrderPlaced], state: State) -> Counted:
    """How many orders the key has."""
    del event
    orders = state.get("orders", 0) + 1
    state.set("orders", orders)
    return Counted(orders)
