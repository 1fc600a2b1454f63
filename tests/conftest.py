"""Fixtures of every test that needs servers: each test has its own names or its own database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from mainstem.kafka.settings import KafkaSettings

if TYPE_CHECKING:
    from mainstem.stack.stack import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--nightly`: also what takes minutes, or hundreds of megabytes from a network."""
    parser.addoption("--nightly", action="store_true", help="also run what is marked nightly")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked nightly, unless it is asked for; `-m` stays free for users."""
    if not config.getoption("--nightly"):
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="nightly: runs with --nightly"))


@pytest.fixture(scope="session")
def database_url(mainstem_stack: Stack) -> str:
    """Address of PostgreSQL."""
    return str(mainstem_stack.state.database_url)


@pytest.fixture(scope="session")
def kafka_bootstrap(mainstem_stack: Stack) -> str:
    """Address of Kafka."""
    return str(mainstem_stack.state.kafka_bootstrap)


@pytest.fixture(scope="session")
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    """How to reach Kafka."""
    return KafkaSettings(kafka_bootstrap)


@pytest.fixture(scope="session")
def registry_url(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, kafka: KafkaSettings
) -> Iterator[str]:
    """SCHEMA_REGISTRY_URL, else a registry beside the session's servers."""
    # Few tests want one.
    from mainstem.stack.stack import Stack, StackSettings  # noqa: PLC0415 - see above

    given = os.environ.get("SCHEMA_REGISTRY_URL")
    if given:
        yield given
        return
    settings = StackSettings(database_url, kafka.bootstrap, fsync=False)
    stack = Stack(tmp_path_factory.mktemp("registry"), registry=True, settings=settings)
    try:
        yield str(stack.up().registry_url)
    finally:
        stack.down(wipe=True)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection in autocommit mode."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def topic() -> str:
    """A topic name that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}_events"


@pytest.fixture
def fresh_database(database_url: str) -> Iterator[str]:
    """Address of a database of the test's own; its slots and sessions go with it."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    identifier = sql.Identifier(name)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        try:
            yield psycopg.conninfo.make_conninfo(database_url, dbname=name)
        finally:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                (name,),
            )
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE database = %s",
                (name,),
            )
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
