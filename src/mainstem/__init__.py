"""Mainstem: an event store on PostgreSQL and Apache Kafka; importing it loads no driver."""

from mainstem.event import Event, GenericPayload, Position, StoredEvent
from mainstem.schema.declare import Dec, Fixed, Float32, Int32, Micros, Millis, event_type

__all__ = [
    "Dec",
    "Event",
    "Fixed",
    "Float32",
    "GenericPayload",
    "Int32",
    "Micros",
    "Millis",
    "Position",
    "StoredEvent",
    "event_type",
]
