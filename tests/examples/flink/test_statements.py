"""What the job says of its results is what the event's class says."""

from __future__ import annotations

import json

from mainstem.schema.declare import type_name
from mainstem.schema.derive import schema_text
from tests.examples.flink import FLINK, orders


def test_the_results_schema_is_that_of_the_event() -> None:
    """Aim: Flink's records are events of ours. Method: derive the schema from the class."""
    text = (FLINK / "RevenueCounted.avsc").read_text(encoding="utf-8")

    assert json.loads(text) == json.loads(schema_text(orders.shop.RevenueCounted))


def test_the_subject_of_the_results_is_the_events_name() -> None:
    """Aim: one subject for an event type. Method: find the name in the statements."""
    text = (FLINK / "revenue.sql").read_text(encoding="utf-8")

    assert f"'value.avro-confluent.subject' = '{type_name(orders.shop.RevenueCounted)}'" in text
