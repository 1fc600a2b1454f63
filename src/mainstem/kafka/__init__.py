"""The Kafka side: records, producers, consumers and topics; it never sees PostgreSQL.

The store is loaded when first asked for: the replicator must not pay for it and its codec.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mainstem.errors import MissingExtra

if TYPE_CHECKING:
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.kafka.store import AsyncKafkaEventStore, KafkaEventStore

__all__ = ["AsyncKafkaEventStore", "KafkaEventStore", "KafkaSettings"]

PLACES = {
    "AsyncKafkaEventStore": "store",
    "KafkaEventStore": "store",
    "KafkaSettings": "settings",
}


def __getattr__(name: str) -> object:
    """A public name, from the file that holds it."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "confluent_kafka":
            raise
        raise MissingExtra("kafka", "mainstem.kafka") from error
