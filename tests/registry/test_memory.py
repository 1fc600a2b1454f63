"""The registry in memory, and the cache in front of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mainstem.errors import SchemaNotFound
from mainstem.registry.memory import MemoryRegistry
from mainstem.registry.registry import CachingRegistry, RegisteredSchema, Registry
from tests.registry.contract import RegistryContract, record_text


class TestMemory(RegistryContract):
    """The contract, kept in memory."""

    @pytest.fixture
    def make_registry(self) -> Callable[[], Registry]:
        """Makes an empty one."""
        return MemoryRegistry

    @pytest.fixture
    def registry(self, make_registry: Callable[[], Registry]) -> Registry:
        """An empty one."""
        return make_registry()


class TestCaching(RegistryContract):
    """The contract, behind a cache so small that it must forget."""

    @pytest.fixture
    def make_registry(self) -> Callable[[], Registry]:
        """Makes an empty one."""
        return lambda: CachingRegistry(MemoryRegistry(), entries_max=1)

    @pytest.fixture
    def registry(self, make_registry: Callable[[], Registry]) -> Registry:
        """An empty one."""
        return make_registry()


class Recording:
    """A memory registry that notes what it was asked."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self.inside = MemoryRegistry()
        self.calls: list[str] = []

    def register(self, subject: str, schema_text: str) -> int:
        """Note and do."""
        self.calls.append("register")
        return self.inside.register(subject, schema_text)

    def by_id(self, schema_id: int) -> str:
        """Note and do."""
        self.calls.append("by_id")
        return self.inside.by_id(schema_id)

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """Note and do."""
        self.calls.append("lookup")
        return self.inside.lookup(subject, schema_text)

    def latest(self, subject: str) -> RegisteredSchema | None:
        """Note and do."""
        self.calls.append("latest")
        return self.inside.latest(subject)

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")


def test_the_cache_asks_once_about_what_never_changes() -> None:
    """Repeat each call; only `latest`, which changes, goes through each time."""
    behind = Recording()
    registry = CachingRegistry(behind)
    text = record_text("R", "a")

    for _ in range(3):
        registry.by_id(registry.register("s", text))
        registry.lookup("s", text)
        registry.latest("s")

    assert behind.calls == ["register", "by_id", "latest", "latest", "latest"]


def test_the_cache_does_not_remember_what_is_not_there() -> None:
    """Another process may register it in the meantime."""
    behind = Recording()
    registry = CachingRegistry(behind)

    with pytest.raises(SchemaNotFound):
        registry.by_id(1)
    assert registry.lookup("s", record_text("R")) is None
    behind.inside.register("s", record_text("R"))

    assert registry.by_id(1)
    assert registry.lookup("s", record_text("R")) == 1


def test_the_cache_forgets_the_oldest() -> None:
    """Ask for more texts than it holds, the first of them again and again."""
    behind = Recording()
    registry = CachingRegistry(behind, entries_max=2)
    first, second, third = (registry.register("s", record_text(name)) for name in "ABC")

    for schema_id in (first, second, first, third, first, second):
        registry.by_id(schema_id)

    assert behind.calls.count("by_id") == 4
