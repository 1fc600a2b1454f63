"""`mainstem tail`: the events of a topic as they come, and the rows of a table."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from mainstem.assembly import registry_for
from mainstem.cli.main import exit_code
from mainstem.event import Event
from mainstem.kafka import KafkaSettings
from mainstem.schema.declare import event_type
from mainstem.wire import Wire
from tests.verification.pair import Pair

pytestmark = pytest.mark.stack

KEY = UUID("6f1c0000-0000-4000-8000-000000000001")
RUN = "from mainstem.cli.main import run; run()"
DEADLINE_S = 20.0


@event_type("com.example.tailing")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A payload of the tests."""

    text: str


@pytest.fixture
def pair(database_url: str, kafka: KafkaSettings) -> Iterator[Pair]:
    """A table and a topic of one name."""
    pair = Pair(database_url, kafka)
    yield pair
    pair.close()


def save(pair: Pair, *texts: str) -> None:
    """Save an event for each text and publish all in one transaction."""
    events = [Event(KEY, Noted(text=text), metadata={"n": b"1"}) for text in texts]
    with closing(registry_for(pair.database_url)) as registry:
        wire = Wire(registry)
        pair.publish([pair.insert(wire.pack(event)) for event in events])


def arguments(pair: Pair, *options: str) -> list[str]:
    """The command line."""
    servers = ["--database-url", pair.database_url, "--kafka-bootstrap", pair.kafka.bootstrap]
    return ["tail", pair.topic, *servers, *options]


@contextmanager
def following(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command as a process, which does not outlive the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def texts(out: str) -> list[str]:
    """The texts of the events that were printed as JSON."""
    return [json.loads(line)["payload"]["text"] for line in out.splitlines()]


def test_without_following_it_prints_what_is_there(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text, one event to a line, from the beginning to the end, and exit 0."""
    save(pair, "one", "two")
    code = exit_code(arguments(pair, "--no-follow"))
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert [line.split()[1:4] for line in lines] == [
        ["#1", "Noted", "6f1c…"],
        ["#2", "Noted", "6f1c…"],
    ]
    assert lines[0].endswith(']@0 {"text":"one"}')


def test_a_limit_ends_it(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of three events, though it would follow for ever."""
    save(pair, "one", "two", "three")
    code = exit_code(arguments(pair, "--from", "beginning", "-n", "2", "--json"))

    assert code == 0
    assert texts(capsys.readouterr().out) == ["one", "two"]


def test_json_carries_every_field(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """The id, the key as text, the metadata and the place in commit order and in Kafka."""
    save(pair, "one")
    exit_code(arguments(pair, "--no-follow", "--json"))
    event = json.loads(capsys.readouterr().out)

    assert event["type"] == "com.example.tailing.Noted"
    assert (event["id"], event["key"], event["metadata"]) == (1, str(KEY), {"n": "1"})
    assert (event["lsn"], event["ordinal"], event["offset"]) == ("0/1A0100", 0, 0)


def test_the_table_is_printed_in_the_order_of_ids(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows are events too, without a place in Kafka; that it is a snapshot is said on stderr."""
    save(pair, "one", "two")
    code = exit_code(arguments(pair, "--source", "table", "--json"))
    printed = capsys.readouterr()

    assert code == 0
    assert texts(printed.out) == ["one", "two"]
    assert json.loads(printed.out.splitlines()[0])["offset"] is None
    assert "as of now" in printed.err


def test_a_message_that_cannot_be_decoded_exits_4(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its place and id are told, and no payload."""
    pair.publish(pair.save(1))
    code = exit_code(arguments(pair, "--no-follow"))
    err = capsys.readouterr().err

    assert code == 4
    assert "]@0 (id 1)" in err
    assert "payload-1" not in err


def test_following_prints_what_commits_from_now_on_until_interrupted(pair: Pair) -> None:
    """An earlier event is not printed, a later one is; Ctrl-C ends it with 130."""
    save(pair, "before")
    command = [sys.executable, "-c", RUN, *arguments(pair, "--json")]
    with following(command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stderr.readline()
        save(pair, "after")
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        code = process.wait(DEADLINE_S)

    assert "Ctrl-C ends" in told
    assert texts(line) == ["after"]
    assert code == 130


def test_an_unknown_topic_exits_2(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Kafka has no such topic: what happened, and what to do."""
    unknown = f"absent_{uuid4().hex}"
    command = ["tail", unknown, *arguments(pair, "--no-follow")[2:]]
    code = exit_code(command)

    assert code == 2
    assert unknown in capsys.readouterr().err
