"""Archives that fail: the table stays as it was, and no file looks complete that is not used."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner

from mainstem.cli.topic import topic as command
from mainstem.errors import ConfigurationError, DecodeError, MainstemError, ServerUnavailable
from mainstem.postgres.archive import archiving, folders
from mainstem.postgres.archive.archiving import ArchiveSettings, archive_month
from mainstem.postgres.archive.confirming import Line
from mainstem.postgres.archive.reading import Archive
from mainstem.postgres.migration.months import Month
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic

Connection = psycopg.Connection[Any]

MONTH = Month.of(datetime.now(UTC)).later(-1)
START = datetime(MONTH.year, MONTH.number, 1, tzinfo=UTC)
FILE = f"{MONTH.text}.parquet"


class Killed(BaseException):
    """Stands for a process that ends here."""


@pytest.fixture(scope="module")
def module_database(database_url: str) -> Iterator[str]:
    """A database of this module's own; each test has its own topic."""
    name = f"f_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield psycopg.conninfo.make_conninfo(database_url, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(module_database: str, topic: str) -> Iterator[Connection]:
    """A connection to a database where the topic has two events in last month."""
    with psycopg.connect(module_database, autocommit=True) as connection:
        create_topic(connection, topic, TopicOptions(partition_by="month"))
        insert(connection, topic)
        insert(connection, topic)
        yield connection


@pytest.fixture
def settings(tmp_path: Path) -> ArchiveSettings:
    """A folder of the test's own; the operator answers for Kafka."""
    return ArchiveSettings(folder=tmp_path, replicated=True)


def insert(connection: Connection, topic: str) -> None:
    """An event in last month."""
    connection.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp) VALUES (%s, 'a', %s)",
        (uuid4(), START + timedelta(days=1)),
    )


def saved(connection: Connection, topic: str) -> int:
    """How many events the table holds."""
    row = connection.execute(f"SELECT count(*) FROM events.{topic}").fetchone()
    assert row is not None
    return int(row[0])


def names_in(folder: Path) -> list[str]:
    """What lies there, also what is unfinished."""
    return sorted(file.name for file in folder.iterdir())


def archived_ids(folder: Path, topic: str) -> list[int]:
    """The ids that the archive holds."""
    archive = Archive(folder)
    try:
        return [row[0] for row in archive.page(topic).rows]
    finally:
        archive.close()


def test_a_month_that_changed_leaves_no_file(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: no file that a reader would take for the month. Method: an event before the lock."""
    lock = archiving.lock

    def saved_before(connection: Connection, topic: str) -> None:
        with psycopg.connect(connection.info.dsn, autocommit=True) as other:
            insert(other, topic)
        lock(connection, topic)

    monkeypatch.setattr(archiving, "lock", saved_before)
    with pytest.raises(ServerUnavailable, match="saved while it was archived"):
        archive_month(database, topic, MONTH, settings)

    assert saved(database, topic) == 3
    assert names_in(settings.folder / topic) == []


def test_an_attempt_that_died_with_its_file_named_is_completed(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: one file for one month. Method: end between the name and the commit; then again."""
    publish = folders.publish

    def killed_after(part: Path, file: Path) -> None:
        publish(part, file)
        raise Killed

    monkeypatch.setattr(archiving, "publish", killed_after)
    with pytest.raises(Killed):
        archive_month(database, topic, MONTH, settings)
    left, there = saved(database, topic), names_in(settings.folder / topic)
    monkeypatch.setattr(archiving, "publish", publish)
    archived = archive_month(database, topic, MONTH, settings)

    assert (left, there) == (2, [FILE])
    assert archived.file == settings.folder / topic / FILE
    assert (saved(database, topic), names_in(settings.folder / topic)) == (0, [FILE])
    assert archived_ids(settings.folder, topic) == [1, 2]


def test_what_a_dead_attempt_left_is_removed(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: no litter. Method: unfinished folders of this month, and of another, which stays."""
    other = f"{folders.UNFINISHED}{MONTH.later(-1).text}-x"
    for name in (f"{folders.UNFINISHED}{MONTH.text}-x", other):
        (settings.folder / topic / name).mkdir(parents=True)
        (settings.folder / topic / name / "rows.parquet").write_bytes(b"PAR1")
    archive_month(database, topic, MONTH, settings)

    assert names_in(settings.folder / topic) == [other, FILE]


def test_two_archives_of_a_month_do_not_meet(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: the second is told. Method: another session holds the month; then it is free again."""
    with psycopg.connect(database.info.dsn, autocommit=True) as other:
        with (
            archiving.alone(other, topic, MONTH),
            pytest.raises(ServerUnavailable, match="another session archives"),
        ):
            archive_month(database, topic, MONTH, settings)
        archive_month(database, topic, MONTH, settings)

    assert saved(database, topic) == 0


def test_a_mount_without_hard_links_will_do(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: FAT, and some network mounts. Method: a link that is refused; nothing is replaced."""

    def refused(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    archived = archive_month(database, topic, MONTH, settings)
    before = archived.file.read_bytes()
    part = settings.folder / "part"
    part.write_bytes(b"another")
    with pytest.raises(ConfigurationError, match="exists"):
        folders.publish(part, archived.file)

    assert archived_ids(settings.folder, topic) == [1, 2]
    assert archived.file.read_bytes() == before


@pytest.mark.parametrize("step", ["mkdtemp", "fsync", "DuckDB"])
def test_a_folder_that_cannot_be_written_to_is_named(
    step: str,
    database: Connection,
    settings: ArchiveSettings,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Aim: an error of ours with folder and reason. Method: a full disk, met at each step."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "DuckDB":
        make = tempfile.mkdtemp

        def occupied(*, prefix: str, dir: Path) -> str:  # noqa: A002  # As mkdtemp calls it.
            place = make(prefix=prefix, dir=dir)
            (Path(place) / "stage.duckdb").mkdir()
            return place

        monkeypatch.setattr(tempfile, "mkdtemp", occupied)
    else:
        monkeypatch.setattr(os if step == "fsync" else tempfile, step, full)
    with pytest.raises(ConfigurationError, match=r"cannot be written to: .*as it was") as caught:
        archive_month(database, topic, MONTH, settings)

    assert str(settings.folder) in caught.value.message
    assert saved(database, topic) == 2
    assert names_in(settings.folder / topic) == []


def test_a_name_that_is_not_on_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: no name without its entry on disk. Method: a folder that cannot be flushed."""
    part, file = tmp_path / "part", tmp_path / FILE
    part.write_bytes(b"x")

    def full(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be written to"):
        folders.publish(part, file)

    assert names_in(tmp_path) == ["part"]


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_a_damaged_file_is_named(
    content: bytes | None, database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: which one to restore. Method: one empty, cut off, or with its middle overwritten."""
    good = archive_month(database, topic, MONTH, settings).file
    bad = good.with_name(f"{MONTH.text}-2.parquet")
    middle = good.read_bytes()
    bad.write_bytes(middle[:4] + b"\xff" * 300 + middle[304:] if content is None else content)

    with pytest.raises(DecodeError, match=f"{bad.name} is damaged"):
        archived_ids(settings.folder, topic)


def test_an_archive_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """Aim: no months missing silently. Method: none, a file, and one that goes away later."""
    folder = tmp_path / "archive"
    with pytest.raises(ConfigurationError, match="not a folder"):
        Archive(folder)
    folder.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="not a folder"):
        Archive(folder)
    folder.unlink()
    folder.mkdir()
    archive = Archive(folder)
    page = archive.page("some_events")
    folder.rmdir()

    assert page.ended
    with pytest.raises(ConfigurationError, match="not a folder"):
        archive.page("some_events")


def test_only_the_owner_archives(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: told before anything is written. Method: a role that may read, and nothing else."""
    role = f"r_{uuid4().hex[:12]}"
    database.execute(f"CREATE ROLE {role}")
    database.execute(f"GRANT USAGE ON SCHEMA events TO {role}")
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA events TO {role}")
    database.execute(f"SET ROLE {role}")
    try:
        with pytest.raises(ConfigurationError, match="only the owner"):
            archive_month(database, topic, MONTH, settings)
    finally:
        database.execute("RESET ROLE")
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")

    assert names_in(settings.folder) == []


def test_only_the_slot_of_the_line_counts(
    fresh_database: str, module_database: str, tmp_path: Path, topic: str
) -> None:
    """Aim: a slot of others tells nothing of Kafka. Method: foreign, elsewhere, unpublished."""
    name = uuid4().hex[:12]
    with (
        psycopg.connect(fresh_database, autocommit=True) as connection,
        psycopg.connect(module_database, autocommit=True) as elsewhere,
    ):
        connection.execute("CREATE PUBLICATION another")
        # There before the topic, which then joins it.
        connection.execute(
            "CREATE PUBLICATION mainstem"
            " WITH (publish = 'insert', publish_via_partition_root = true)"
        )
        create_topic(connection, topic, TopicOptions(partition_by="month"))
        insert(connection, topic)
        make_slot(connection, f"other_{name}")
        make_slot(connection, f"mainstem_l{name}")
        make_slot(elsewhere, f"mainstem_d{name}")
        told = [
            refusal(connection, topic, ArchiveSettings(folder=tmp_path, line=line, timeout_s=0.1))
            for line in (Line(), Line(f"d{name}"), Line(f"l{name}", "another"), Line(f"l{name}"))
        ]

    assert "no replication slot mainstem_main" in told[0]
    assert f"no replication slot mainstem_d{name}" in told[1]
    assert "publication another does not hold" in told[2]
    assert f"mainstem_l{name} has not confirmed" in told[3]
    assert names_in(tmp_path / topic) == []


def make_slot(connection: Connection, name: str) -> None:
    """A slot of the replicator's plugin, which ends with the connection."""
    connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput', true)", (name,))


def refusal(connection: Connection, topic: str, settings: ArchiveSettings) -> str:
    """What an archive is refused for."""
    with pytest.raises(MainstemError) as caught:
        archive_month(connection, topic, MONTH, settings)
    return caught.value.message


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_to_wait_is_positive(seconds: float, tmp_path: Path) -> None:
    """Aim: no archive that cannot wait. Method: from Python and from the command."""
    with pytest.raises(ConfigurationError, match="must be positive"):
        ArchiveSettings(folder=tmp_path, timeout_s=seconds)
    arguments = ["archive", "x_events", "--month", MONTH.text, "--to", str(tmp_path)]
    arguments += ["--timeout", "0", "--database-url", "postgresql://"]
    result = CliRunner().invoke(command, arguments)

    assert result.exit_code == 2
    assert "--timeout" in result.output
