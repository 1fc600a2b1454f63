"""Mainstem: an event store on PostgreSQL and Apache Kafka; importing it loads no driver."""

from mainstem.correlation import metadata
from mainstem.event import Event, GenericPayload, Position, StoredEvent
from mainstem.schema.declare import Dec, Fixed, Float32, Int32, Micros, Millis, event_type
from mainstem.terms import ANY, EXISTS, NO_STREAM, AppendCondition, Decision, EventQuery

__all__ = [
    "ANY",
    "EXISTS",
    "NO_STREAM",
    "AppendCondition",
    "Dec",
    "Decision",
    "Event",
    "EventQuery",
    "Fixed",
    "Float32",
    "GenericPayload",
    "Int32",
    "Micros",
    "Millis",
    "Position",
    "StoredEvent",
    "event_type",
    "metadata",
]
