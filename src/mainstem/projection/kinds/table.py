"""Which kinds of transaction handlers may ask for, and which of them are of asyncio; pure."""

from __future__ import annotations

from typing import Final

from mainstem.errors import ConfigurationError

KINDS: Final = {
    ("psycopg", "Connection"): "psycopg_kind:PsycopgDesk",
    ("psycopg", "AsyncConnection"): "psycopg_kind:AsyncPsycopgDesk",
    ("asyncpg", "Connection"): "asyncpg_kind:AsyncAsyncpgDesk",
    ("sqlalchemy", "Session"): "sqlalchemy_kind:SessionDesk",
    ("sqlalchemy", "AsyncSession"): "sqlalchemy_kind:AsyncSessionDesk",
}
"""Package and class of a handler's `tx` -> what opens such transactions."""


def is_asynchronous(kind: type) -> bool:
    """Whether handlers that take this kind are coroutines; ConfigurationError for no kind."""
    return place_of(kind).partition(":")[2].startswith("Async")


def place_of(kind: type) -> str:
    """File and class of a kind's desk."""
    package, name = kind.__module__.partition(".")[0], kind.__name__
    place = KINDS.get((package, name))
    if place is None:
        raise ConfigurationError(
            f"handlers take a {package}.{name}, which is no kind of transaction",
            hint=f"they can take {', '.join(f'{p}.{n}' for p, n in KINDS)}",
        )
    return place
