"""`mainstem verify`: the verdict as text, as JSON and as exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mainstem.cli.main import exit_code
from mainstem.kafka import KafkaSettings
from tests.verification.pair import Pair

pytestmark = pytest.mark.stack


@pytest.fixture
def pair(database_url: str, kafka: KafkaSettings) -> Iterator[Pair]:
    """A table and a topic of one name."""
    pair = Pair(database_url, kafka)
    yield pair
    pair.close()


def verify(pair: Pair, *options: str) -> int:
    """Run the command; its exit code."""
    servers = ["--database-url", pair.database_url, "--kafka-bootstrap", pair.kafka.bootstrap]
    return exit_code(["verify", pair.topic, *servers, *options])


def test_equal_sides_exit_0(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Text: counts, hashes and a verdict on stdout, nothing else there."""
    pair.publish(pair.save(3))
    code = verify(pair)
    printed = capsys.readouterr()

    assert code == 0
    assert printed.out.splitlines()[0].startswith(f"{pair.topic}, up to ")
    assert "holds: every row is in Kafka exactly once" in printed.out
    assert printed.err == ""


def test_a_difference_exits_1_and_names_ids(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve rows, eleven of them missing: ten are named, and that there are more."""
    saved = pair.save(12)
    pair.publish(saved[:1])
    code = verify(pair, "--timeout", "0")
    out = capsys.readouterr().out
    (line,) = (line for line in out.splitlines() if "missing in Kafka" in line)

    assert code == 1
    assert line.split()[3] == "11"
    assert line.endswith(f"#{saved[10].id}, …")
    assert "differs:" in out


def test_json_is_one_object(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """A doubled row as a script reads it."""
    saved = pair.save(2)
    pair.publish(saved)
    pair.publish(saved[:1])
    code = verify(pair, "--json")
    report = json.loads(capsys.readouterr().out)

    assert code == 1
    assert (report["topic"], report["holds"]) == (pair.topic, False)
    assert (report["rows"], report["records"]) == (2, 3)
    assert report["doubled"]["count"] == 1
    assert report["doubled"]["first"][0]["id"] == saved[0].id
    assert report["missing"] == {"count": 0, "first": []}


def test_an_unknown_topic_exits_2(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no such table: what happened, and what to do."""
    servers = ["--database-url", pair.database_url, "--kafka-bootstrap", pair.kafka.bootstrap]
    code = exit_code(["verify", "absent_events", *servers])
    err = capsys.readouterr().err

    assert code == 2
    assert "absent_events" in err
    assert "hint: " in err


def test_a_server_that_is_away_exits_3(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """No PostgreSQL at the address."""
    servers = ["--database-url", "postgresql://127.0.0.1:1/x", "--kafka-bootstrap", "127.0.0.1:1"]
    code = exit_code(["verify", pair.topic, *servers])

    assert code == 3
    assert "PostgreSQL is away" in capsys.readouterr().err
