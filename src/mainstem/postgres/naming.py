"""Topic names and identifiers: the only place where a name becomes SQL."""

from __future__ import annotations

import re
from functools import lru_cache

from mainstem.errors import InvalidName

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
"""PostgreSQL cuts names off after 63 bytes; longer ones would merge silently."""

EVENT_SCHEMA = "events"
REPLICATED_SUFFIX = "_events"


def checked(name: str, what: str = "topic") -> str:
    """The name itself; InvalidName unless it matches `[a-z_][a-z0-9_]{0,62}`."""
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise InvalidName(f"{name!r} cannot be the name of a {what}")
    return name


@lru_cache(1024)
def table(topic: str) -> str:
    """The quoted event table of a topic: `"events"."order_events"`."""
    return f'"{EVENT_SCHEMA}"."{checked(topic)}"'


def identifier(name: str, what: str = "table") -> str:
    """The name in double quotes, for a statement that takes no parameter there."""
    return f'"{checked(name, what)}"'
