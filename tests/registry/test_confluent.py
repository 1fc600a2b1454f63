"""The contract against a real registry (Apicurio), and a client that no server can hold up."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mainstem.errors import RegistryRejected
from mainstem.registry.canonical import fingerprint
from mainstem.registry.confluent import ConfluentRegistry
from mainstem.registry.registry import CachingRegistry
from tests.registry.contract import RegistryContract, record_text

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture
def make_registry(registry_url: str) -> Callable[[], ConfluentRegistry]:
    """Makes clients of it."""
    return lambda: ConfluentRegistry(registry_url)


@pytest.fixture
def registry(make_registry: Callable[[], ConfluentRegistry]) -> ConfluentRegistry:
    """One of them."""
    return make_registry()


class TestConfluent(RegistryContract):
    """The contract, kept by another server; subjects of earlier runs may be there too."""


class TestConfluentBehindACache(RegistryContract):
    """The contract, as programs use it."""

    @pytest.fixture
    def registry(self, make_registry: Callable[[], ConfluentRegistry]) -> CachingRegistry:
        """A client behind a cache."""
        return CachingRegistry(make_registry())


def test_an_incompatible_schema_is_rejected(registry: ConfluentRegistry) -> None:
    """Register a field of another type under the same name: 409 becomes our error."""
    name = f"T{os.urandom(6).hex()}"
    registry.register(f"com.example.{name}", record_text(name, "a"))

    with pytest.raises(RegistryRejected, match="409"):
        registry.register(
            f"com.example.{name}", record_text(name, "a").replace('"long"', '"string"')
        )


def test_a_java_text_is_another_schema_there(registry: ConfluentRegistry) -> None:
    """Our registries drop Java's string property; Apicurio gives its text an id of its own.

    Nothing breaks: each writer's id leads to the text that it wrote with.
    """
    name = f"T{os.urandom(6).hex()}"
    ours = record_text(name, "a").replace('"long"', '"string"')
    javas = ours.replace('"string"', '{"type": "string", "avro.java.string": "String"}')
    first, second = (registry.register(f"com.example.{name}", text) for text in (ours, javas))

    assert fingerprint(javas) == fingerprint(ours)
    assert first != second
    assert "avro.java.string" in registry.by_id(second)
