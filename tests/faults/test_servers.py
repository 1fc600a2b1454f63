"""PostgreSQL and Kafka killed with SIGKILL under load: the replicator gets over it by itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainstem.kafka.settings import KafkaSettings
from mainstem.stack.stack import Stack, StackSettings
from tests.faults.field import Field
from tests.faults.storm import judged, prepare
from tests.faults.writers import Writer

WRITERS = 4


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that this module may kill: nobody else's tests run on them."""
    settings = StackSettings(fsync=False)
    stack = Stack(tmp_path_factory.mktemp("killed") / ".mainstem", settings=settings)
    try:
        stack.up()
        yield stack
    finally:
        stack.down(wipe=True)


@pytest.fixture
def own_field(own_stack: Stack) -> Iterator[Field]:
    """A database and a topic on those servers."""
    name = f"t_{uuid.uuid4().hex[:10]}"
    database_url = str(own_stack.state.database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    kafka = KafkaSettings(str(own_stack.state.kafka_bootstrap))
    with Field(make_conninfo(database_url, dbname=name), kafka) as field:
        prepare(field)
        yield field


@pytest.mark.faults
@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_a_server_killed_under_load_costs_nothing(
    own_stack: Stack, own_field: Field, server: str
) -> None:
    """Writers write, the replicator runs, the server dies twice and comes back each time."""
    service = own_field.start()
    service.wait_for("events_per_s")
    writers = [Writer(n, own_field.database_url, own_field.topic, seed=1) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for number in (1, 2):
        service.wait_for_more("events_per_s")
        own_stack.kill(server)
        service.wait_for_count("starting again", number)
        own_stack.start(server)
        service.wait_for_more("events_per_s")
    ledgers = [writer.finish() for writer in writers]
    service.kill()
    own_field.drain()
    figures = judged(own_field, ledgers, kills=2, bitten=2)

    assert figures["verdict"] == "pass", figures
    assert int(figures["events"]) > 100
