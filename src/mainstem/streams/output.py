"""Output: values of a stream -> messages in the engine's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from mainstem.errors import UndeclaredPayload
from mainstem.event import Event, Key, to_millis
from mainstem.metadata_codec import utf16_sorted
from mainstem.streams.source import key_of_text
from mainstem.wire import Wire, key_bytes

Headers: TypeAlias = Iterable[tuple[str, bytes | None]] | None


class Produce(Protocol):
    """How a message is written in the open transaction."""

    def __call__(
        self, topic: str, key: bytes, value: bytes, timestamp_ms: int, headers: Any, /
    ) -> None:
        """Write it."""


class Output(NamedTuple):
    """Where results go, and what they are given that they do not bring along."""

    topic: str
    wire: Wire
    produce: Produce
    key: Callable[[Any], Key] | None
    timestamp: Callable[[Any], datetime] | None

    def __call__(self, value: Any, key_text: str, timestamp_ms: int, headers: Headers) -> None:
        """Write one value; any EventRefused."""
        if isinstance(value, Event):
            payload, own = value.payload, value.metadata
            key, timestamp_ms = key_bytes(value.key), to_millis(value.timestamp)
        else:
            payload, own = value, {name: entry or b"" for name, entry in headers or ()}
            key = key_of_text(key_text)
        if self.key is not None:
            key = key_bytes(self.key(value))
        if self.timestamp is not None:
            timestamp_ms = to_millis(self.timestamp(value))
        entries = [(name, own[name]) for name in utf16_sorted(own)] if own else []
        self.produce(self.topic, key, self._framed(payload), timestamp_ms, entries)

    def _framed(self, payload: Any) -> bytes:
        try:
            return self.wire.frame_of(payload)
        except UndeclaredPayload as error:
            raise UndeclaredPayload(
                f"{type(payload).__name__} was sent to {self.topic}, which takes events and"
                " payloads alone",
                hint="map it to a payload first: .apply(lambda window: Revenue(…))",
            ) from error
