"""Roles of least privilege: what each must be able to do, and what each must not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import click
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors
from psycopg.conninfo import make_conninfo

from mainstem.assembly import registry_for
from mainstem.cli.init import init
from mainstem.cli.migrate import migrate
from mainstem.cli.roles import roles as command
from mainstem.cli.topic import topic as topic_command
from mainstem.errors import ConfigurationError, InvalidName
from mainstem.postgres.drivers.psycopg import run_atomically
from mainstem.postgres.migration.migrating import running
from mainstem.postgres.migration.protecting import protecting
from mainstem.postgres.migration.roles import ROLES, role_name, roles_script
from mainstem.postgres.migration.script import init_script
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.topics import create_topic
from mainstem.verification.table import TableReader
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]
Login = Callable[[str], str]


@pytest.fixture
def prefix(database_url: str) -> Iterator[str]:
    """A prefix of the test's own: roles belong to the whole server."""
    name = f"r{uuid4().hex[:10]}"
    yield name
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"DROP ROLE IF EXISTS {name}_{role}")


@pytest.fixture
def login(prefix: str, furnished: Connection, fresh_database: str) -> Login:
    """The address by which a role works; those that do not log in are taken on at once."""
    run_atomically(furnished, running(roles_script(prefix)))

    def address(role: str) -> str:
        name = role_name(prefix, role)
        if role == "replicator":
            return make_conninfo(fresh_database, user=name)
        return make_conninfo(fresh_database, options=f"-c role={name}")

    return address


@pytest.fixture
def owned(login: Login, topic: str) -> str:
    """A topic that the owner created after the roles were made."""
    with psycopg.connect(login("owner"), autocommit=True) as connection:
        assert create_topic(connection, topic)
    return topic


CHANGES = (
    "UPDATE events.{topic} SET data = ''",
    "DELETE FROM events.{topic}",
    "TRUNCATE events.{topic}",
    "DROP TABLE events.{topic}",
    "ALTER TABLE events.{topic} DISABLE TRIGGER ALL",
    "CREATE TABLE events.mine (id int)",
    "CREATE TABLE _mainstem.mine (id int)",
)


@pytest.mark.parametrize("role", ["writer", "reader", "replicator", "projector"])
def test_no_role_changes_events_or_tables(role: str, login: Login, owned: str) -> None:
    """Aim: append-only for all who log in. Method: try each change, as each role."""
    with psycopg.connect(login(role), autocommit=True) as connection:
        for change in CHANGES:
            with pytest.raises((errors.InsufficientPrivilege, errors.RestrictViolation)):
                connection.execute(change.format(topic=owned))


def test_the_owner_does_not_change_events_by_mistake(login: Login, owned: str) -> None:
    """Aim: a trigger that privileges do not lift. Method: changes as the owner."""
    with psycopg.connect(login("owner"), autocommit=True) as connection:
        for change in CHANGES[:3]:
            with pytest.raises(errors.RestrictViolation, match="events are for ever"):
                connection.execute(change.format(topic=owned))


def test_a_writer_saves_with_a_schema_of_its_own(login: Login, owned: str) -> None:
    """Aim: what an application needs, and no more. Method: a store, its registry in PostgreSQL."""
    address = login("writer")
    registry = registry_for(address)
    with PostgresEventStore.open(address, registry=registry) as store:
        saved = store.save_many(owned, [noted(1), noted(2)])
    registry.close()

    assert [stored.id for stored in saved] == [1, 2]


def test_a_reader_reads_and_writes_nothing(login: Login, owned: str) -> None:
    """Aim: SELECT and nothing else. Method: read the table, then try to insert."""
    address = login("reader")
    with TableReader(address, owned) as reader, reader.snapshot():
        assert list(reader.rows()) == []
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT count(*) FROM schemas.subjects")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"INSERT INTO events.{owned} DEFAULT VALUES")


def test_a_replicator_carries_old_and_new_events(
    login: Login, furnished: Connection, topic: str, replicate: Callable[[str], int]
) -> None:
    """Aim: lock, fence, backfill, slot and stream. Method: rows before its start, and after."""
    address = login("replicator")
    insert = (
        f"INSERT INTO events.{topic} (key, data, timestamp) SELECT gen_random_uuid(), '', now()"
    )
    with psycopg.connect(login("owner"), autocommit=True) as connection:
        create_topic(connection, topic)
    furnished.execute(f"{insert} FROM generate_series(1, 3)")
    first = replicate(address)
    furnished.execute(insert)
    with psycopg.connect(login("owner"), autocommit=True) as connection:
        create_topic(connection, f"x{topic}", TopicOptions(partition_by="month"))
    furnished.execute(insert.replace(topic, f"x{topic}"))

    assert (first, replicate(address)) == (3, 2)


def test_a_projector_has_its_own_schema_and_sees_no_events(login: Login, owned: str) -> None:
    """Aim: a read model cannot touch the truth. Method: a table there, and a look at events."""
    with psycopg.connect(login("projector"), autocommit=True) as connection:
        connection.execute("CREATE TABLE projections.revenue (country text, total numeric)")
        connection.execute("INSERT INTO projections.revenue VALUES ('Norway', 1)")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"SELECT FROM events.{owned}")


def test_a_database_from_before_is_taken_over(
    prefix: str, admin: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: owner and privileges for what exists. Method: topic first, roles later."""
    create_topic(admin, topic)
    arguments = ["--prefix", prefix, "--database-url", fresh_database]
    with pytest.raises(ConfigurationError, match="lacks schema objects"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    CliRunner().invoke(init, arguments[2:], catch_exceptions=False)
    results = [CliRunner().invoke(command, arguments, catch_exceptions=False) for _ in range(2)]
    with psycopg.connect(
        make_conninfo(fresh_database, options=f"-c role={prefix}_writer"), autocommit=True
    ) as connection:
        connection.execute(
            f"INSERT INTO events.{topic} (key, data, timestamp)"
            " VALUES (gen_random_uuid(), '', now())"
        )
    found = admin.execute("SELECT tablename FROM pg_publication_tables").fetchall()

    assert {result.stdout for result in results} == {
        "".join(f"{prefix}_{role}\n" for role in ROLES)
    }
    assert found == [(topic,)]


def test_a_replicator_may_lock_tables_but_change_none(
    prefix: str, furnished: Connection, fresh_database: str, topic: str
) -> None:
    """Aim: UPDATE only where the trigger stands. Method: roles, before and after protecting."""
    create_topic(furnished, topic, TopicOptions(append_only=False))
    address = make_conninfo(fresh_database, user=f"{prefix}_replicator")
    run_atomically(furnished, running(roles_script(prefix)))
    with psycopg.connect(address, autocommit=True) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"UPDATE events.{topic} SET data = ''")
        run_atomically(furnished, protecting(topic))
        run_atomically(furnished, running(roles_script(prefix)))
        with connection.transaction():
            connection.execute(f"LOCK TABLE events.{topic} IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises((errors.InsufficientPrivilege, errors.RestrictViolation)):
            connection.execute(f"UPDATE events.{topic} SET data = ''")


@pytest.mark.parametrize(
    ("asked", "arguments"),
    [(init, []), (migrate, []), (command, []), (topic_command, ["create", "a_events"])],
)
def test_a_role_without_privilege_is_told_who_has_it(
    asked: click.Command, arguments: list[str], prefix: str, admin: Connection, fresh_database: str
) -> None:
    """Aim: the hint is not that for saving. Method: each command as a role that may nothing."""
    admin.execute(f"CREATE ROLE {prefix}_reader")
    if asked is command:
        run_atomically(admin, running(init_script()))
        admin.execute(f"GRANT USAGE ON SCHEMA _mainstem TO {prefix}_reader")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA _mainstem TO {prefix}_reader")
    address = make_conninfo(fresh_database, options=f"-c role={prefix}_reader")
    with pytest.raises(ConfigurationError, match="42501") as caught:
        CliRunner().invoke(asked, [*arguments, "--database-url", address], catch_exceptions=False)

    assert "owner role" in caught.value.hint
    assert "--sql" in caught.value.hint


def test_the_script_is_printed_without_a_database(prefix: str) -> None:
    """Aim: for DBAs. Method: --sql, and a prefix that is none."""
    result = CliRunner().invoke(command, ["--sql", "--prefix", prefix], catch_exceptions=False)

    assert f"CREATE ROLE {prefix}_replicator LOGIN REPLICATION" in result.stdout
    assert "@" not in result.stdout
    with pytest.raises(InvalidName):
        roles_script("x; DROP")
