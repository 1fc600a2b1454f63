"""`after=` is a place, and nothing that merely looks like one: a wrong one would skip events."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError
from mainstem.event import Position
from mainstem.postgres import PostgresEventStore

POSITION = Position(1, 0)
NO_PLACES = [
    True,
    "7",
    2**63,
    str(POSITION),
    tuple(POSITION),
    json.loads(json.dumps(POSITION)),
    1.0,
]


@pytest.mark.parametrize("after", NO_PLACES, ids=repr)
def test_following_behind_what_is_no_place_is_refused(
    sync_store: PostgresEventStore, new_topic: str, after: Any
) -> None:
    """Aim: a position that went through JSON is not taken for "from now on". Method: each kind."""
    with pytest.raises(ConfigurationError, match="after="):
        sync_store.follow(new_topic, after=after)


@pytest.mark.parametrize("after", [True, "7", 2**63, -(2**63)], ids=repr)
def test_reading_behind_what_is_no_place_is_refused(
    sync_store: PostgresEventStore, new_topic: str, after: Any
) -> None:
    """Aim: a clear error before anything is sent. Method: each way of reading."""
    for read in (sync_store.read_all, sync_store.read_rows):
        with pytest.raises(ConfigurationError, match="after="):
            list(read(new_topic, after=after))
    with pytest.raises(ConfigurationError, match="after="):
        list(sync_store.read(new_topic, key=uuid4(), after=after))
