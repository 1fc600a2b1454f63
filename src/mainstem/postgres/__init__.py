"""The PostgreSQL store: events saved inside the application's own transaction.

The names below are loaded when first asked for: the replicator and the commands use single
files of this room, and must pay neither for the store nor for its codec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mainstem.errors import MissingExtra

if TYPE_CHECKING:
    from mainstem.postgres.options import TopicOptions
    from mainstem.postgres.reading.decoding import StoredRow
    from mainstem.postgres.statements import Row
    from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
    from mainstem.postgres.table import Column, EventTable
    from mainstem.postgres.tokens import Token
    from mainstem.postgres.topics import create_topic, event_topics, inspect_topic

__all__ = [
    "AsyncPostgresEventStore",
    "Column",
    "EventTable",
    "PostgresEventStore",
    "Row",
    "StoredRow",
    "Token",
    "TopicOptions",
    "create_topic",
    "event_topics",
    "inspect_topic",
]

PLACES = {
    "AsyncPostgresEventStore": "store",
    "PostgresEventStore": "store",
    "Column": "table",
    "EventTable": "table",
    "Row": "statements",
    "StoredRow": "reading.decoding",
    "Token": "tokens",
    "TopicOptions": "options",
    "create_topic": "topics",
    "event_topics": "topics",
    "inspect_topic": "topics",
}


def __getattr__(name: str) -> object:
    """A public name, from the file that holds it."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "psycopg":
            raise
        raise MissingExtra("psycopg", __name__) from error
