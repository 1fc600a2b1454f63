"""Events as values: immutable, generic, equal by value."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError
from uuid import uuid4

import pytest

from mainstem.event import Event, StoredEvent


@pytest.mark.parametrize("name", ["key", "payload", "timestamp", "metadata"])
def test_an_event_cannot_be_changed(name: str) -> None:
    """Neither kind of event can be: assign to each field."""
    event = Event(uuid4(), "payload")
    stored = StoredEvent(uuid4(), "payload", topic="order_events", id=1)

    for each in (event, stored):
        with pytest.raises(FrozenInstanceError):
            setattr(each, name, None)


def test_an_event_takes_the_type_of_its_payload() -> None:
    """`Event[P](…)` is an event like any other, on each Python: make one, and copy it."""
    event = Event[str](uuid4(), "payload")

    assert event == Event(event.key, "payload", event.timestamp)
    assert copy.copy(event) == event
