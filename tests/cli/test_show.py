"""`mainstem show`: one event of a table, for people and for programs."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from mainstem.assembly import registry_for
from mainstem.cli.main import exit_code
from mainstem.event import Event
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.topics import create_topic
from tests.postgres.payloads import Noted

KEY = UUID("6f1c0000-0000-4000-8000-000000000001")
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC)


def saved(database_url: str, topic: str, **options: Any) -> int:
    """The id of an event in a topic of these options."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_topic(connection, topic, TopicOptions(**options))
    event = Event(KEY, Noted(text="ä\n", count=3), MOMENT, {"actor": b"ann"})
    with (
        closing(registry_for(database_url)) as registry,
        PostgresEventStore.open(database_url, registry=registry) as store,
    ):
        return store.save(topic, event).id


def shown(database_url: str, topic: str, id_: int, *options: str) -> int:
    """Run the command; its exit code."""
    return exit_code(["show", topic, str(id_), "--database-url", database_url, *options])


def test_an_event_is_printed_by_its_names(
    fresh_database: str, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Aim: text that a person reads and no terminal obeys. Method: a payload with a line break."""
    code = shown(fresh_database, topic, saved(fresh_database, topic))

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{topic} #1",
        "type       com.example.postgres.Noted",
        f"key        {KEY}",
        "timestamp  2026-03-01T12:00:00.005Z",
        "metadata",
        '  actor      "ann"',
        "payload",
        '  text       "ä\\n"',
        "  count      3",
    ]


def test_json_carries_every_field(
    fresh_database: str, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Aim: one object as `tail` prints it, with the version. Method: a versioned topic."""
    code = shown(fresh_database, topic, saved(fresh_database, topic, versioned=True), "--json")
    event = json.loads(capsys.readouterr().out)

    assert code == 0
    assert event["payload"] == {"text": "ä\n", "count": 3}
    assert (event["id"], event["version"], event["key"]) == (1, 1, str(KEY))
    assert event["metadata"] == {"actor": "ann"}


def test_an_id_that_is_not_there_exits_1(
    fresh_database: str, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Aim: a script can ask. Method: the ids before and behind the only event."""
    id_ = saved(fresh_database, topic)

    assert [shown(fresh_database, topic, each) for each in (id_ - 1, id_ + 1)] == [1, 1]
    assert capsys.readouterr().out == ""


def test_a_topic_that_is_not_there_exits_2(
    fresh_database: str, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Aim: what happened, and what to do."""
    code = shown(fresh_database, topic, 1)

    assert code == 2
    assert topic in capsys.readouterr().err
