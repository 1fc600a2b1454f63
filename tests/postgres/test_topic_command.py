"""`mainstem topic create`: what it does and what it says."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result

from mainstem.cli.topic import topic
from mainstem.errors import ConfigurationError, MainstemError, TopicExists
from mainstem.postgres.topics import inspect_topic

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def _no_kafka(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No address but the test's own: no variable and no stack in the directory."""
    for name in ("KAFKA_BOOTSTRAP", "MAINSTEM_KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def create(database: str, *arguments: str) -> Result:
    """Run `mainstem topic create`; errors come out as they are raised."""
    command = ["create", *arguments, "--database-url", database]
    return CliRunner().invoke(topic, command, catch_exceptions=False)


def test_a_topic_is_created_and_told_in_one_line(store_database: str, observer: Connection) -> None:
    """Aim: the table, and where its events will go. Method: run it without Kafka."""
    name = f"t{uuid4().hex[:12]}_events"

    result = create(store_database, name, "--key-type", "text", "--publication", "absent")

    assert result.exit_code == 0
    assert result.stdout == (
        f"created the table events.{name} with text keys;"
        " the replicator's first start takes it in\n"
    )
    assert inspect_topic(observer, name).key_type == "text"


def test_the_publication_is_joined_and_reported(store_database: str, observer: Connection) -> None:
    """Aim: membership, as JSON. Method: a publication of the test's own."""
    name, publication = f"t{uuid4().hex[:12]}_events", f"p{uuid4().hex[:12]}"
    observer.execute(f"CREATE PUBLICATION {publication}")

    result = create(store_database, name, "--publication", publication, "--json")

    assert json.loads(result.stdout) == {
        "topic": name,
        "key_type": "uuid",
        "joined": True,
        "kafka_created": None,
    }


def test_printed_sql_creates_the_topic(observer: Connection) -> None:
    """Aim: for DBAs, without a database. Method: print it, run it as one text, inspect."""
    name = f"t{uuid4().hex[:12]}_events"
    arguments = ["create", name, "--sql", "--versioned", "--no-append-only"]

    result = CliRunner().invoke(topic, arguments, catch_exceptions=False)
    observer.execute(result.stdout.replace(r"\set ON_ERROR_STOP on", "").encode())

    assert inspect_topic(observer, name).versioned
    assert "TRIGGER" not in result.stdout


def test_what_is_wrong_is_an_error_of_ours(store_database: str, new_topic: str) -> None:
    """Aim: exit codes come from the tree of errors. Method: a topic twice, and bad options."""
    with pytest.raises(TopicExists):
        create(store_database, new_topic)
    with pytest.raises(ConfigurationError, match="--partitions"):
        create(store_database, f"{new_topic}_events", "--partitions", "3")
    with pytest.raises(MainstemError):
        create(store_database, "Bad-Name")
    with pytest.raises(ConfigurationError, match="--sql prints only the table"):
        create(store_database, f"{new_topic}_events", "--partitions", "3", "--sql")


def test_a_failing_kafka_leaves_no_table(
    store_database: str, observer: Connection, new_topic: str
) -> None:
    """Aim: the command can be repeated. Method: an address that no client takes."""
    name = f"x{new_topic}"
    with pytest.raises(MainstemError):
        create(store_database, name, "--kafka-bootstrap", " ")

    with pytest.raises(MainstemError):
        inspect_topic(observer, name)
