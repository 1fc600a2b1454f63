"""Parts that the engine is given: the message at hand, and how keys and values become bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from quixstreams.models import MessageContext
from quixstreams.models.serializers import Deserializer, Serializer


class Current(MessageContext):
    """Which message is processed; one object for all of them, where the engine makes one each."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__("", -1, -1, 0)

    def move(self, topic: str, partition: int, offset: int) -> None:
        """It is this one now."""
        self._topic, self._partition, self._offset = topic, partition, offset


class Codec(Protocol):
    """The bytes of state, changelogs and repartition topics."""

    @property
    def format(self) -> int:
        """The number of these bytes; others cannot be read."""

    def dumps(self, value: Any) -> bytes:
        """The bytes of a value; equal values have equal bytes."""

    def loads(self, data: bytes) -> Any:
        """The value; DecodeError for foreign bytes."""


class By(Serializer):
    """A function as the engine's serializer."""

    def __init__(self, write: Callable[[Any], bytes]) -> None:
        """Write by this function."""
        self._write = write

    def __call__(self, value: Any, ctx: Any = None) -> bytes:
        """The bytes."""
        del ctx
        return self._write(value)


class Raw(Deserializer):
    """Reads nothing: sources do, once the engine knows whom to blame for bad bytes."""

    def __init__(self) -> None:
        """Need nothing."""

    def __call__(self, value: bytes, ctx: Any = None) -> bytes:
        """The bytes as they are."""
        del ctx
        return value
