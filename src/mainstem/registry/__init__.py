"""Schema text and schema id: one protocol, several places to keep them."""

from mainstem.registry.memory import MemoryRegistry
from mainstem.registry.registry import CachingRegistry, RegisteredSchema, Registry

__all__ = ["CachingRegistry", "MemoryRegistry", "RegisteredSchema", "Registry"]
