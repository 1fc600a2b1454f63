"""Migrations: what is applied, once, in order, and told; `mainstem init` and `mainstem migrate`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from mainstem.cli.init import init
from mainstem.cli.migrate import migrate
from mainstem.errors import ConfigurationError
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.files import Migration, migrations
from mainstem.postgres.migration.migrating import applying, pending
from mainstem.postgres.migration.script import init_script
from mainstem.postgres.topics import create_topic
from mainstem.registry import statements as registry_statements

Connection = psycopg.Connection[Any]
Command = Callable[..., Result]

NAMES = [migration.name for migration in migrations()]


@pytest.fixture
def mainstem(fresh_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Command:
    """Run a command on the test's database; errors come out as they are raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def command(name: Any, *arguments: str, url: str = fresh_database) -> Result:
        given = [*arguments, "--database-url", url] if url else [*arguments]
        return CliRunner().invoke(name, given, catch_exceptions=False)

    return command


def recorded(connection: Connection) -> list[str]:
    """The names that the database has noted."""
    found = connection.execute("SELECT name FROM _mainstem.migrations ORDER BY name")
    return [name for (name,) in found]


def test_names_tell_order_and_phase() -> None:
    """Aim: `NNNN_pre_` or `NNNN_post_`, without gap or repeat. Method: look at the package."""
    numbers = [int(name[:4]) for name in NAMES]

    assert numbers == list(range(1, len(NAMES) + 1))
    assert all(re.fullmatch(r"\d{4}_(pre|post)_[a-z_]+", name) for name in NAMES)


def test_no_migration_needs_a_parameter_or_escapes() -> None:
    """Aim: any driver can run them, and psql too. Method: look for what drivers replace."""
    for migration in migrations():
        for statement in migration.statements:
            assert "%" not in statement.sql
            assert not re.search(r"\$\d|;\s*$", statement.sql)


def test_init_applies_everything_once(mainstem: Command, admin: Connection) -> None:
    """Aim: a command that may be repeated. Method: twice, then `migrate --check`."""
    first, second = mainstem(init), mainstem(init)

    assert first.stdout == "".join(f"applied {name}\n" for name in NAMES)
    assert second.stdout == "nothing to do\n"
    assert mainstem(migrate, "--check").exit_code == 0
    assert recorded(admin) == NAMES


def test_check_tells_what_is_missing_and_changes_nothing(
    mainstem: Command, admin: Connection
) -> None:
    """Aim: a deployment can ask. Method: --check and --plan on an empty database."""
    checked = mainstem(migrate, "--check", "--json")
    planned = mainstem(migrate, "--plan")

    assert (checked.exit_code, json.loads(checked.stdout)) == (1, {"pending": NAMES})
    assert planned.stdout == "".join(f"pending {name}\n" for name in NAMES)
    assert admin.execute("SELECT to_regnamespace('events')").fetchone() == (None,)


def test_phases_are_chosen(mainstem: Command) -> None:
    """Aim: pre before the new code, post after the old. Method: both on an empty database."""
    assert mainstem(migrate, "--post").stdout == "nothing to do\n"
    assert (
        mainstem(migrate, "--pre", "--json").stdout
        == json.dumps(
            {"applied": [name for name in NAMES if "_pre_" in name]}, separators=(",", ":")
        )
        + "\n"
    )


def test_two_phases_at_once_are_a_slip(mainstem: Command) -> None:
    """Aim: neither is silently left out. Method: both options."""
    result = mainstem(migrate, "--pre", "--post")

    assert result.exit_code == 2
    assert "exclude each other" in result.output


def test_printed_sql_shows_no_rows() -> None:
    """Aim: psql prints nothing that confuses. Method: look for a statement that answers."""
    assert not [sql for sql in init_script() if sql.startswith("SELECT")]


@pytest.mark.parametrize("printing", [(init, "--sql"), (migrate, "--sql")])
def test_printed_sql_does_the_same(
    printing: tuple[Any, str], mainstem: Command, admin: Connection, fresh_database: str
) -> None:
    """Aim: for DBAs. Method: print it, run it as one text, find nothing left to do."""
    command, option = printing
    url = "" if command is init else fresh_database
    script = mainstem(command, option, url=url).stdout
    admin.execute(script.replace(r"\set ON_ERROR_STOP on", "").encode())

    assert recorded(admin) == NAMES
    assert mainstem(migrate, "--check").exit_code == 0
    assert mainstem(migrate, "--sql").stdout == ""


def test_without_an_address_it_says_which_option(mainstem: Command) -> None:
    """Aim: the same error as of any command. Method: init without one."""
    with pytest.raises(ConfigurationError, match="--database-url is not set"):
        mainstem(init, url="")


def test_a_database_from_before_is_taken_over(
    mainstem: Command, admin: Connection, topic: str
) -> None:
    """Aim: tables and schemas of an earlier version stay. Method: topic and registry, then init."""
    create_topic(admin, topic)
    admin.execute(registry_statements.CREATE.encode())
    admin.execute("INSERT INTO schemas.schemas (schema, fingerprint) VALUES ('\"int\"', '\\x00')")
    result = mainstem(init)

    assert result.stdout.count("applied") == len(NAMES)
    assert admin.execute("SELECT count(*) FROM schemas.schemas").fetchone() == (1,)


def test_the_registrys_own_tables_are_the_same() -> None:
    """Aim: one definition in two places. Method: each statement of the one is in the other."""
    (migration,) = (each for each in migrations() if each.name.endswith("_registry"))
    ours = [statement.strip() for statement in registry_statements.CREATE.split(";")]

    assert all(statement in migration.sql for statement in ours[1:])


def test_processes_at_once_apply_each_once(fresh_database: str) -> None:
    """Aim: two deployments do no harm. Method: eight threads with the same plan."""

    def apply(_: int) -> list[str]:
        with connect(fresh_database) as connection:
            todo = migrations()
            return [each.name for each in todo if run_atomically(connection, applying(each))]

    with ThreadPoolExecutor(8) as threads:
        applied = [name for names in threads.map(apply, range(8)) for name in names]

    assert sorted(applied) == NAMES


def test_a_failing_migration_leaves_nothing_behind(admin: Connection) -> None:
    """Aim: each is one transaction. Method: one whose second statement fails."""
    broken = Migration(
        "0999_pre_broken", "pre", "CREATE TABLE public.half (id int);\n\nSELECT 1/0;\n"
    )
    with pytest.raises(Exception, match="22012"):
        run_atomically(admin, applying(broken))

    assert admin.execute("SELECT to_regclass('public.half')").fetchone() == (None,)
    assert run(admin, pending([broken])) == [broken]


def test_a_migration_that_was_changed_is_refused(mainstem: Command, admin: Connection) -> None:
    """Aim: history is not rewritten. Method: another checksum in the record."""
    mainstem(init)
    admin.execute("UPDATE _mainstem.migrations SET checksum = 'other' WHERE name = %s", NAMES[:1])
    with pytest.raises(ConfigurationError, match="applied in another form"):
        mainstem(migrate, "--check")


def test_what_a_newer_version_applied_is_left_alone(mainstem: Command, admin: Connection) -> None:
    """Aim: old code runs on the pre schema of new code. Method: a record that we do not know."""
    mainstem(init)
    admin.execute("INSERT INTO _mainstem.migrations VALUES ('9999_pre_future', 'x')")

    assert mainstem(migrate, "--check").exit_code == 0
