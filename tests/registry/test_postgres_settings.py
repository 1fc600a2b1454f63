"""Whose fault it is when the tables of the registry cannot be used, and what settings change."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.errors import ConfigurationError, RegistryRejected
from mainstem.registry.postgres import PostgresRegistry
from tests.registry.contract import record_text

SESSIONS, SCHEMAS = 6, 20


@pytest.fixture
def poor_dsn(fresh_database: str) -> Iterator[str]:
    """The address of the test's database for a role that has no rights in it."""
    role = f"r_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'poor'")
        yield make_conninfo(fresh_database, user=role, password="poor")
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")


def opened_in(dsn: str, *schemas: str) -> list[int]:
    """Ids that a registry of its own gives these schemas."""
    registry = PostgresRegistry(dsn)
    try:
        return [registry.register("com.example.R", schema) for schema in schemas]
    finally:
        registry.close()


@pytest.mark.stack
@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_the_databases_isolation_level_changes_nothing(fresh_database: str, level: str) -> None:
    """Register the same schemas at once from several sessions: 120 calls, one id each, no gap.

    With the database's own level, whoever waited for the lock would not see the other's schema.
    """
    texts = [record_text("R", *(f"f{place}" for place in range(count))) for count in range(SCHEMAS)]
    together = threading.Barrier(SESSIONS)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        database = conninfo_to_dict(fresh_database)["dbname"]
        connection.execute(
            f"ALTER DATABASE {database} SET default_transaction_isolation = '{level}'"
        )

    def register(_: int) -> list[int]:
        together.wait(30)
        return opened_in(fresh_database, *texts)

    with ThreadPoolExecutor(SESSIONS) as threads:
        ids = list(threads.map(register, range(SESSIONS)))

    assert sorted(ids[0]) == list(range(1, SCHEMAS + 1))
    assert all(other == ids[0] for other in ids)


@pytest.mark.stack
def test_a_registration_survives_a_rollback_of_the_application(fresh_database: str) -> None:
    """Register while the application's transaction is open, and roll that back."""
    with psycopg.connect(fresh_database) as application:
        application.execute("CREATE TABLE rolled_back ()")
        ids = opened_in(fresh_database, record_text("R"))
        application.rollback()

    assert opened_in(fresh_database, record_text("R")) == ids == [1]


@pytest.mark.stack
def test_a_role_that_may_not_create_is_fine_once_the_tables_exist(
    fresh_database: str, poor_dsn: str
) -> None:
    """Let the owner create the tables and grant their use; the poor role then registers."""
    opened_in(fresh_database, record_text("R"))
    role = conninfo_to_dict(poor_dsn)["user"]
    with psycopg.connect(fresh_database, autocommit=True) as owner:
        owner.execute(f"GRANT USAGE ON SCHEMA schemas TO {role}")
        owner.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA schemas TO {role}")
        owner.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA schemas TO {role}")

    assert opened_in(poor_dsn, record_text("R"), record_text("R", "a")) == [1, 2]


@pytest.mark.stack
def test_missing_rights_are_a_matter_of_configuration_until_granted(
    fresh_database: str, poor_dsn: str
) -> None:
    """Let one registry fail for want of rights; after the grant the same one works."""
    registry = PostgresRegistry(poor_dsn)
    database, role = (conninfo_to_dict(poor_dsn)[name] for name in ("dbname", "user"))

    with pytest.raises(ConfigurationError, match="permission denied"):
        registry.register("com.example.R", record_text("R"))
    with psycopg.connect(fresh_database, autocommit=True) as owner:
        owner.execute(f"GRANT CREATE ON DATABASE {database} TO {role}")
    assert registry.register("com.example.R", record_text("R")) == 1

    registry.close()


@pytest.mark.stack
@pytest.mark.parametrize("subject", ["a\0b", "a\ud800b"])
def test_letters_that_no_table_can_hold_are_rejected(fresh_database: str, subject: str) -> None:
    """Register under a subject with NUL, and with half a letter; the registry goes on."""
    registry = PostgresRegistry(fresh_database)

    with pytest.raises(RegistryRejected):
        registry.register(subject, record_text("R"))
    assert registry.register("com.example.R", record_text("R")) == 1

    registry.close()


def test_an_address_that_cannot_be_read_is_not_shown() -> None:
    """Give a DSN of which libpq would quote a piece; it may be the password."""
    registry = PostgresRegistry("secret host=nowhere")

    with pytest.raises(ConfigurationError) as caught:
        registry.latest("com.example.R")

    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
