"""What a progress record says of one topic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mainstem.verification.progress import published_lsn

STREAMING: dict[str, Any] = {"flushed_lsn": "0/1000", "topics": {"order_events": {}}}


def backfilling(finished_lsn: str | None) -> dict[str, Any]:
    """A record of a line that carries older rows of the topic over."""
    return {**STREAMING, "topics": {"order_events": {"backfill": {"finished_lsn": finished_lsn}}}}


@pytest.mark.parametrize("record", [STREAMING, backfilling("0/900")])
def test_a_topic_is_published_up_to_the_flushed_lsn(record: dict[str, Any]) -> None:
    """While it streams, and when its older rows are all there."""
    assert published_lsn(json.dumps(record).encode(), "order_events") == 0x1000


@pytest.mark.parametrize(
    "record",
    [
        backfilling(None),
        {**STREAMING, "flushed_lsn": None},
        {**STREAMING, "topics": {"other_events": {}}},
        {},
        [],
        "text",
    ],
)
def test_anything_else_publishes_nothing(record: object) -> None:
    """A backfill under way, an intent, a line without the topic, other JSON: no reason to hurry."""
    assert published_lsn(json.dumps(record).encode(), "order_events") == 0


def test_bytes_that_are_no_json_publish_nothing() -> None:
    """Something else wrote under the line's name."""
    assert published_lsn(b"\x00\xff", "order_events") == 0
