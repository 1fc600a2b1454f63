"""The stack on real servers: up, found again, killed, broken, and up once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer

from mainstem.cli.main import exit_code
from mainstem.errors import StackError
from mainstem.stack.guard import guarded
from mainstem.stack.stack import Stack, StackSettings
from mainstem.stack.state import load, running

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TRANSACTION_TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that these tests may hurt."""
    directory = tmp_path_factory.mktemp("own") / ".mainstem"
    with guarded(directory):
        yield Stack(directory, settings=StackSettings(fsync=False))

    assert not directory.exists()


@pytest.fixture
def stack(own: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The same, up, whatever the test before did; commands run beside its folder."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.chdir(own.directory.parent)
    own.up()
    return own


def one(stack: Stack) -> int:
    """Ask PostgreSQL for the sum of a table that it creates if needed."""
    with psycopg.connect(str(stack.state.database_url)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS number")
        row = connection.execute("SELECT sum(number) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def transaction(stack: Stack) -> None:
    """Open and end a transaction in Kafka."""
    producer = Producer(
        {"bootstrap.servers": stack.state.kafka_bootstrap, "transactional.id": uuid4().hex}
    )
    producer.init_transactions(TRANSACTION_TIMEOUT_S)


def test_a_second_up_finds_what_runs(stack: Stack) -> None:
    """Call up again: the same processes, and no line but that they run already."""
    before, said = stack.state, list[str]()

    after = stack.up(said.append)

    assert after == before
    assert running(stack.directory) == before
    assert sum("runs already" in line for line in said) == 2
    assert not [line for line in said if "✓" in line]


def test_a_stack_that_died_starts_again_with_data_and_addresses(stack: Stack) -> None:
    """Save, SIGKILL both servers, up: new processes serve what was saved, at the same ports."""
    assert one(stack) == 1

    before = stack.state
    stack.kill("postgres")
    stack.kill("kafka")

    assert running(stack.directory) is None
    assert sorted(stack.state.dead) == ["kafka", "postgres"]

    after = stack.up()

    assert one(stack) == 1
    assert (after.database_url, after.kafka_bootstrap) == (
        before.database_url,
        before.kafka_bootstrap,
    )
    assert not set(after.pids.values()) & set(before.pids.values())
    transaction(stack)


def test_a_killed_server_comes_back_alone(stack: Stack) -> None:
    """Kill and start PostgreSQL: Kafka is the same process as before."""
    before = stack.state.pids
    stack.kill("postgres")
    stack.start("postgres")

    assert one(stack) == 1
    assert stack.state.pids["kafka"] == before["kafka"]
    assert stack.state.pids["postgres"] != before["postgres"]


def test_down_keeps_data_and_ports(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Stop by the command, ask for the status, start again: what was saved is there."""
    assert one(stack) == 1

    before = stack.state

    assert exit_code(["down"]) == 0
    assert not any(started.identity.alive() for started in before.servers.values())
    assert exit_code(["status"]) == 3
    assert "mainstem up" in capsys.readouterr().err

    stack.up()

    assert one(stack) == 1
    assert stack.state.ports == before.ports


def test_status_speaks_to_shells_and_programs(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print the status in both forms: they carry the addresses."""
    state = stack.state

    assert exit_code(["status", "-o", "env"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"export DATABASE_URL={state.database_url}",
        f"export KAFKA_BOOTSTRAP={state.kafka_bootstrap}",
    ]
    assert exit_code(["status", "-o", "json"]) == 0

    found = json.loads(capsys.readouterr().out)

    assert found["running"] is True
    assert found["DATABASE_URL"] == state.database_url
    assert {name: server["pid"] for name, server in found["servers"].items()} == state.pids


def test_a_failing_start_names_server_log_and_remedy(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage PostgreSQL's data: `up` exits 3 and shows its last words; Kafka is left alone."""
    version = Path(stack.state.postgres_home) / "data" / "PG_VERSION"
    whole = version.read_text()
    stack.kill("postgres")
    version.write_text("7.4\n")
    try:
        assert exit_code(["up"]) == 3

        said = capsys.readouterr().err

        assert "error: PostgreSQL 18" in said
        assert "initialized by PostgreSQL version 7.4" in said
        assert "mainstem down --wipe" in said
        assert "kafka" not in stack.state.dead
    finally:
        version.write_text(whole)


def test_servers_given_from_outside_are_not_started(stack: Stack, tmp_path: Path) -> None:
    """Give both addresses: no process starts, the addresses are handed through."""
    address = str(stack.state.database_url)
    given = StackSettings(database_url=address, kafka_bootstrap=stack.state.kafka_bootstrap)
    user, said = Stack(tmp_path / ".mainstem", settings=given), list[str]()

    state = user.up(said.append)

    assert state.pids == {}
    assert state.database_url == address
    assert said == [
        "   DATABASE_URL is set: that server is used",
        "   KAFKA_BOOTSTRAP is set: that server is used",
    ]
    assert (tmp_path / ".mainstem" / "stack.json").stat().st_mode & 0o077 == 0
    assert user.down(wipe=True) == []


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Cut the file in the middle: the error names it."""
    (tmp_path / "stack.json").write_text('{"ports": {')

    with pytest.raises(StackError, match=r"stack\.json cannot be read"):
        load(tmp_path)
