"""A registry in memory, for tests and for trying things out; it forgets everything at the end."""

from __future__ import annotations

import threading

from mainstem.errors import SchemaNotFound
from mainstem.registry.canonical import fingerprint
from mainstem.registry.registry import RegisteredSchema


class MemoryRegistry:
    """Keeps schemas in this process; accepts every schema that is JSON."""

    def __init__(self) -> None:
        """Empty."""
        self._texts: dict[int, str] = {}
        self._ids: dict[bytes, int] = {}
        self._subjects: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def register(self, subject: str, schema_text: str) -> int:
        """As Registry.register."""
        key = fingerprint(schema_text)
        with self._lock:
            schema_id = self._ids.setdefault(key, len(self._ids) + 1)
            self._texts.setdefault(schema_id, schema_text)
            versions = self._subjects.setdefault(subject, [])
            if schema_id not in versions:
                versions.append(schema_id)
        return schema_id

    def by_id(self, schema_id: int) -> str:
        """As Registry.by_id."""
        text = self._texts.get(schema_id)
        if text is None:
            raise SchemaNotFound(f"no schema has the id {schema_id}")
        return text

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """As Registry.lookup."""
        schema_id = self._ids.get(fingerprint(schema_text))
        return schema_id if schema_id in self._subjects.get(subject, ()) else None

    def latest(self, subject: str) -> RegisteredSchema | None:
        """As Registry.latest."""
        versions = self._subjects.get(subject)
        if not versions:
            return None
        return RegisteredSchema(subject, len(versions), versions[-1], self._texts[versions[-1]])

    def close(self) -> None:
        """Keep everything: there is nothing to release."""
