"""The registry in PostgreSQL's tables: durable, without gaps, and back after a lost connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from mainstem.errors import ServerUnavailable
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry, Registry
from tests.registry.contract import RegistryContract, record_text

pytestmark = pytest.mark.stack


@pytest.fixture
def make_registry(fresh_database: str) -> Iterator[Callable[[], PostgresRegistry]]:
    """Makes registries over a database of the test's own."""
    made: list[PostgresRegistry] = []

    def make() -> PostgresRegistry:
        made.append(PostgresRegistry(fresh_database))
        return made[-1]

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def registry(make_registry: Callable[[], PostgresRegistry]) -> PostgresRegistry:
    """One of them."""
    return make_registry()


class TestPostgres(RegistryContract):
    """The contract, kept in tables."""


class TestPostgresBehindACache(RegistryContract):
    """The contract, as programs use it."""

    @pytest.fixture
    def registry(self, make_registry: Callable[[], PostgresRegistry]) -> CachingRegistry:
        """A registry behind a cache."""
        return CachingRegistry(make_registry())


def test_many_sessions_get_one_id_and_leave_no_gap(
    make_registry: Callable[[], PostgresRegistry],
) -> None:
    """Let sessions create the tables and register the same ten schemas at once."""
    registries = [make_registry() for _ in range(6)]
    texts = [record_text("R", *(f"f{place}" for place in range(count))) for count in range(10)]

    def register(registry: Registry) -> list[int]:
        return [registry.register("com.example.R", text) for text in texts]

    with ThreadPoolExecutor(len(registries)) as threads:
        ids = list(threads.map(register, registries))

    assert sorted(ids[0]) == list(range(1, 11))
    assert all(other == ids[0] for other in ids)


def test_a_registration_outlives_the_caller(
    make_registry: Callable[[], PostgresRegistry],
) -> None:
    """Register by one session, read by another while the first stays open."""
    writer, reader = make_registry(), make_registry()

    schema_id = writer.register("com.example.R", record_text("R"))

    assert reader.by_id(schema_id) == record_text("R")


def test_a_lost_connection_is_replaced(registry: PostgresRegistry, fresh_database: str) -> None:
    """Terminate the registry's session from outside, and go on."""
    schema_id = registry.register("com.example.R", record_text("R"))
    with psycopg.connect(fresh_database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert registry.by_id(schema_id) == record_text("R")


def test_use_after_close_connects_again(registry: PostgresRegistry) -> None:
    """Close and go on: a cache in front may outlive a restart of the pool."""
    registry.close()

    assert registry.register("com.example.R", record_text("R")) == 1


def test_a_server_away_is_unavailable() -> None:
    """Connect where nobody listens; the message must not hold the password."""
    dsn = "postgresql://someone:secret@127.0.0.1:1/nowhere"  # a test's own
    registry = PostgresRegistry(dsn, timeout_s=2)

    with pytest.raises(ServerUnavailable) as caught:
        registry.latest("com.example.R")

    assert "secret" not in str(caught.value)


def test_a_registry_that_is_blocked_gives_up_in_time(fresh_database: str) -> None:
    """Lock the table from outside; the statement's time limit must end the wait."""
    registry = PostgresRegistry(fresh_database, timeout_s=0.3)
    registry.register("com.example.R", record_text("R"))
    with psycopg.connect(fresh_database) as other:
        other.execute("LOCK TABLE schemas.subjects IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(ServerUnavailable):
            registry.latest("com.example.R")

    registry.close()
