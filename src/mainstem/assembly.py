"""The only place that builds: addresses go in, working objects come out.

Drivers are loaded when something is built of them, so importing this costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainstem.registry.registry import Registry


def registry_for(database_url: str, registry_url: str | None = None) -> Registry:
    """The registry that speaks to this URL, else the tables of this database; both cached."""
    from mainstem.registry.registry import CachingRegistry

    if registry_url is not None:
        from mainstem.registry.confluent import ConfluentRegistry

        return CachingRegistry(ConfluentRegistry(registry_url))
    from mainstem.registry.postgres import PostgresRegistry

    return CachingRegistry(PostgresRegistry(database_url))
