"""Mainstem: an event store on PostgreSQL and Apache Kafka; importing it loads no driver."""

from mainstem.event import Event, GenericPayload, Position, StoredEvent

__all__ = ["Event", "GenericPayload", "Position", "StoredEvent"]
