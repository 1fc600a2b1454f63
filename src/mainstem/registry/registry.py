"""The protocol of a schema registry, and the cache that stands in front of every one of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A version of a subject."""

    subject: str
    version: int
    schema_id: int
    schema_text: str


class Registry(Protocol):
    """Schema text <-> schema id. An id, once given, means the same text for ever.

    Every method may raise ServerUnavailable. Implementations are safe to use from several threads.
    """

    def register(self, subject: str, schema_text: str) -> int:
        """The id of the schema, a new one if need be; RegistryRejected if it is not acceptable.

        When it returns, the id is durable, whatever becomes of the caller's transaction.
        """

    def by_id(self, schema_id: int) -> str:
        """The schema's text; SchemaNotFound."""

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """The id under which this subject has this schema, or None."""

    def latest(self, subject: str) -> RegisteredSchema | None:
        """The newest version of the subject, or None."""

    def close(self) -> None:
        """Release connections; safe to call twice."""


class CachingRegistry:
    """A registry that asks the one behind it only once about what never changes."""

    def __init__(self, behind: Registry, *, entries_max: int = ENTRIES_MAX) -> None:
        """Stand in front of `behind`."""
        self._behind = behind
        self._texts: BoundedCache[int, str] = BoundedCache(entries_max)
        self._ids: BoundedCache[tuple[str, str], int] = BoundedCache(entries_max)

    def register(self, subject: str, schema_text: str) -> int:
        """As Registry.register."""
        schema_id = self._ids.get((subject, schema_text))
        if schema_id is None:
            schema_id = self._behind.register(subject, schema_text)
            self._ids.put((subject, schema_text), schema_id)
        return schema_id

    def by_id(self, schema_id: int) -> str:
        """As Registry.by_id."""
        text = self._texts.get(schema_id)
        if text is None:
            text = self._behind.by_id(schema_id)
            self._texts.put(schema_id, text)
        return text

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """As Registry.lookup; that there is none is not remembered."""
        schema_id = self._ids.get((subject, schema_text))
        if schema_id is None:
            schema_id = self._behind.lookup(subject, schema_text)
            if schema_id is not None:
                self._ids.put((subject, schema_text), schema_id)
        return schema_id

    def latest(self, subject: str) -> RegisteredSchema | None:
        """As Registry.latest; never from the cache, for it changes."""
        return self._behind.latest(subject)

    def close(self) -> None:
        """Close the registry behind."""
        self._behind.close()


class BoundedCache(Generic[K, V]):
    """A thread-safe map that forgets what was not asked for the longest."""

    def __init__(self, entries_max: int) -> None:
        """Empty."""
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._entries_max = entries_max
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Remember the value, and forget the oldest where there are too many."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)
