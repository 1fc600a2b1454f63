"""Address: which database, and in which schema handlers find their tables."""

from __future__ import annotations

from typing import Any, NamedTuple

from mainstem.postgres.drivers.sessions import connection_settings


class Address(NamedTuple):
    """Which database, and in which schema names without one are looked for first."""

    dsn: str
    schema: str

    @property
    def settings(self) -> dict[str, Any]:
        """For psycopg, with bounds on waiting; ConfigurationError for an address that is none."""
        return connection_settings(self.dsn)
