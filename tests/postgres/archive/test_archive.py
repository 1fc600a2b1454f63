"""Archives: a month leaves the table only when its file holds it, and is read as before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from click.testing import CliRunner

from mainstem.cli.topic import topic as command
from mainstem.errors import ConfigurationError, DecodeError, ServerUnavailable, TransactionFailed
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.archive import archiving, files, statements
from mainstem.postgres.archive.archiving import ArchiveSettings, archive_month
from mainstem.postgres.archive.confirming import Line
from mainstem.postgres.archive.files import ArchivedPage
from mainstem.postgres.archive.reading import Archive, Span, joined
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.migration.months import Month
from mainstem.postgres.migration.partitions import existing_months, partitioning
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.stopping import Stop

Connection = psycopg.Connection[Any]

MONTH = Month.of(datetime.now(UTC)).later(-1)
START = datetime(MONTH.year, MONTH.number, 1, tzinfo=UTC)

KEYS = {
    "uuid": UUID(int=1),
    "text": "ä\n'\"",
    "bigint": -(2**63),
    "integer": 7,
    "smallint": -7,
    "numeric": Decimal("1.500"),
    "boolean": True,
    "bytea": b"\0\xff",
}


@pytest.fixture(scope="module")
def slotless_database(database_url: str) -> Iterator[str]:
    """A database in which nobody makes a replication slot; each test has its own topic."""
    name = f"a_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield psycopg.conninfo.make_conninfo(database_url, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(slotless_database: str) -> Iterator[Connection]:
    """A connection in autocommit mode."""
    with psycopg.connect(slotless_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def replicated(fresh_database: str) -> Iterator[Connection]:
    """A connection to a database of the test's own, for a slot in it."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(tmp_path: Path) -> ArchiveSettings:
    """A folder of the test's own; the operator answers for Kafka."""
    return ArchiveSettings(folder=tmp_path, replicated=True)


def archived_rows(folder: Path, topic: str, *arguments: Any) -> ArchivedPage:
    """A page of an archive that is opened for it."""
    archive = Archive(folder)
    try:
        return archive.page(topic, *arguments)
    finally:
        archive.close()


def names_in(folder: Path) -> list[str]:
    """What lies there, also what is unfinished."""
    return sorted(file.name for file in folder.iterdir())


def insert(connection: Connection, topic: str, key: Any, *days: int) -> None:
    """Events so many days after the month's start, each with other data and metadata."""
    for day in days:
        metadata = None if day % 2 else b"\0"
        connection.execute(
            f"INSERT INTO events.{topic} (key, data, metadata, timestamp) VALUES (%s, %s, %s, %s)",
            (key, bytes([0, day % 256]), metadata, START + timedelta(days=day, microseconds=1)),
        )


def table_rows(connection: Connection, topic: str) -> list[tuple[Any, ...]]:
    """What the table holds, in the order of ids, with times in UTC."""
    connection.execute("SET TIME ZONE 'UTC'")
    found = connection.execute(
        f"SELECT id, key, data, metadata, timestamp FROM events.{topic} ORDER BY id"
    )
    return found.fetchall()


@pytest.mark.parametrize("key_type", KEYS)
def test_an_archived_month_is_read_as_before(
    key_type: str, database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: nothing is lost on the way. Method: every key type, archived, compared by row."""
    create_topic(database, topic, TopicOptions(key_type=key_type, partition_by="month"))
    insert(database, topic, KEYS[key_type], 0, 1, 5, 40)
    before = table_rows(database, topic)

    archived = archive_month(database, topic, MONTH, settings)
    page = archived_rows(settings.folder, topic)

    assert page == ArchivedPage(before[:3], ended=True)
    assert table_rows(database, topic) == before[3:]
    assert archived.file == settings.folder / topic / f"{MONTH.text}.parquet"
    assert archived.digest[:2] == (3, 3)
    assert MONTH not in run(database, existing_months(topic))
    assert [file.name for file in archived.file.parent.iterdir()] == [archived.file.name]


def test_pages_and_times_narrow_what_is_read(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: what `read_all` asks for. Method: after, limit, since, until, and an unknown topic."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    insert(database, topic, uuid4(), *range(5))
    archive_month(database, topic, MONTH, settings)

    def ids(*arguments: Any) -> tuple[list[int], bool]:
        page = archived_rows(settings.folder, topic, *arguments)
        return [row[0] for row in page.rows], page.ended

    assert ids(None, 2) == ([1, 2], False)
    assert ids(2, 10) == ([3, 4, 5], True)
    assert ids(None, 10, Span(START + timedelta(days=1))) == ([2, 3, 4, 5], True)
    assert ids(None, 10, Span(None, START + timedelta(days=1))) == ([1], True)
    assert archived_rows(settings.folder, "other_events") == ArchivedPage([], ended=True)


def test_a_month_of_many_chunks_and_of_none(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: no bound on a month. Method: 1201 events, then a month without any."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    database.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp)"
        " SELECT gen_random_uuid(), decode(repeat('ab', 1000), 'hex'), %s"
        " FROM generate_series(1, 1201)",
        (START,),
    )
    run_atomically(database, partitioning(topic, 0, MONTH.later(-1)))
    many = archive_month(database, topic, MONTH, settings)
    none = archive_month(database, topic, MONTH.later(-1), settings)

    assert (many.digest.rows, none.digest.rows) == (1201, 0)
    assert len(archived_rows(settings.folder, topic, None, 5000).rows) == 1201


def test_large_events_are_held_a_few_at_a_time(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: memory has a bound. Method: five events of 3 MB, archived, read page by page."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    database.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp)"
        " SELECT gen_random_uuid(), decode(repeat('ab', 3000000), 'hex'), %s"
        " FROM generate_series(1, 5)",
        (START,),
    )
    archived = archive_month(database, topic, MONTH, settings)
    pages, ended, after = [], False, None
    while not ended:
        page, ended = archived_rows(settings.folder, topic, after)
        pages.append([row[0] for row in page])
        after = page[-1][0]

    assert archived.digest.rows == 5
    assert pages == [[1, 2], [3, 4], [5]]


def test_late_events_go_to_a_file_of_their_own(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: no file is overwritten. Method: archive, make the month again, save, archive."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    insert(database, topic, uuid4(), 1, 2)
    archive_month(database, topic, MONTH, settings)
    run_atomically(database, partitioning(topic, 0, MONTH))
    insert(database, topic, uuid4(), 3)
    second = archive_month(database, topic, MONTH, settings)

    assert second.file.name == f"{MONTH.text}-2.parquet"
    assert [row[0] for row in archived_rows(settings.folder, topic).rows] == [1, 2, 3]


def test_a_month_that_cannot_be_archived_is_refused(
    database: Connection, settings: ArchiveSettings, topic: str
) -> None:
    """Aim: errors of ours, and nothing changed. Method: plain, running, unknown, without slot."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    create_topic(database, f"x{topic}")
    insert(database, topic, uuid4(), 1)
    with pytest.raises(ConfigurationError, match="not partitioned"):
        archive_month(database, f"x{topic}", MONTH, settings)
    with pytest.raises(ConfigurationError, match="not ended"):
        archive_month(database, topic, MONTH.later(1), settings)
    with pytest.raises(ConfigurationError, match="no partition"):
        archive_month(database, topic, MONTH.later(-9), settings)
    with pytest.raises(ConfigurationError, match="no replication slot"):
        archive_month(database, topic, MONTH, ArchiveSettings(folder=settings.folder))

    assert len(table_rows(database, topic)) == 1
    assert names_in(settings.folder) == []


def test_events_that_come_meanwhile_are_kept(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: only what the file holds is dropped. Method: save one between file and drop; again."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    insert(database, topic, uuid4(), 1)
    written = files.digest_of

    def saved_meanwhile(file: Path) -> files.Digest:
        insert(database, topic, uuid4(), 2)
        return written(file)

    monkeypatch.setattr(archiving, "digest_of", saved_meanwhile)
    with pytest.raises(ServerUnavailable, match="saved while it was archived"):
        archive_month(database, topic, MONTH, settings)
    assert len(table_rows(database, topic)) == 2
    monkeypatch.setattr(archiving, "digest_of", written)
    archive_month(database, topic, MONTH, settings)

    assert [row[0] for row in archived_rows(settings.folder, topic).rows] == [1, 2]


def test_a_changed_event_is_noticed_where_changes_are_allowed(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: count and id are not enough without the trigger. Method: an UPDATE in between."""
    create_topic(database, topic, TopicOptions(partition_by="month", append_only=False))
    insert(database, topic, uuid4(), 1)
    written = files.digest_of

    def changed_meanwhile(file: Path) -> files.Digest:
        database.execute(f"UPDATE events.{topic} SET data = 'x'")
        return written(file)

    monkeypatch.setattr(archiving, "digest_of", changed_meanwhile)
    with pytest.raises(ServerUnavailable, match="saved while it was archived"):
        archive_month(database, topic, MONTH, settings)

    assert len(table_rows(database, topic)) == 1


def test_a_file_that_is_not_what_was_written_drops_nothing(
    database: Connection, settings: ArchiveSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: the disk is not trusted. Method: another file under the name."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    insert(database, topic, uuid4(), 1)
    read = files.digest_of
    monkeypatch.setattr(archiving, "digest_of", lambda file: read(file)._replace(sha256="another"))
    with pytest.raises(DecodeError, match="does not hold what was written"):
        archive_month(database, topic, MONTH, settings)

    assert len(table_rows(database, topic)) == 1


def test_whoever_reads_for_long_is_not_waited_for(
    database: Connection,
    slotless_database: str,
    settings: ArchiveSettings,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Aim: writers do not queue up behind the archive. Method: an open transaction on the table."""
    create_topic(database, topic, TopicOptions(partition_by="month"))
    insert(database, topic, uuid4(), 1)
    quick = statements.LOCK_TIMEOUT._replace(sql="SET LOCAL lock_timeout = '100ms'")
    monkeypatch.setattr(statements, "LOCK_TIMEOUT", quick)
    monkeypatch.setattr(archiving, "LOCK_PAUSE_S", 0.01)
    with psycopg.connect(slotless_database) as reader:
        reader.execute(f"SELECT count(*) FROM events.{topic}")
        with pytest.raises(TransactionFailed, match=f"transactions on {topic} stay open"):
            archive_month(database, topic, MONTH, settings)

    assert len(table_rows(database, topic)) == 1
    assert names_in(settings.folder / topic) == []


def test_the_replicator_must_have_confirmed_the_month(
    replicated: Connection, fresh_database: str, tmp_path: Path, topic: str, kafka: KafkaSettings
) -> None:
    """Aim: Kafka has what leaves the table. Method: a replicator that ended, and one that runs."""
    create_topic(replicated, topic, TopicOptions(partition_by="month"))
    insert(replicated, topic, uuid4(), 1, 2)
    name = f"l_{topic}"
    line = ReplicatorSettings(fresh_database, kafka, line=name, heartbeat_s=0.5)
    Replicator(line).run(once=True)
    insert(replicated, topic, uuid4(), 3)
    patience = ArchiveSettings(folder=tmp_path, timeout_s=0.5, line=Line(name))
    with pytest.raises(ServerUnavailable, match=f"mainstem_l_{topic}"):
        archive_month(replicated, topic, MONTH, patience)
    with running(line):
        arguments = ["archive", topic, "--month", MONTH.text, "--to", str(tmp_path), "--json"]
        arguments += ["--line", name]
        result = CliRunner().invoke(
            command, [*arguments, "--database-url", fresh_database], catch_exceptions=False
        )

    assert json.loads(result.stdout)["rows"] == 3
    assert table_rows(replicated, topic) == []


@contextmanager
def running(line: ReplicatorSettings) -> Iterator[None]:
    """A replicator that runs while the block lasts."""
    stop = Stop()
    thread = threading.Thread(target=Replicator(line, stop=stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.request()
        thread.join(30)


def rows_of(*ids: int) -> list[tuple[Any, ...]]:
    """Rows of these ids."""
    return [(place, None, b"", None, None) for place in ids]


class Pages(NamedTuple):
    """A page of the table and one of the files, those that go on, and what they come to."""

    table: list[int]
    archived: list[int]
    going_on: str
    expected: list[int]


PAGES = (
    Pages([1, 2], [], "", [1, 2]),
    Pages([4, 5], [1, 2, 3], "", [1, 2, 3, 4, 5]),
    Pages([2, 6], [1, 3, 7], "table", [1, 2, 3, 6]),
    Pages([2, 6], [1, 3], "archive", [1, 2, 3]),
    Pages([2, 6], [1, 9], "table archive", [1, 2, 6]),
    Pages([1, 2], [1, 2], "", [1, 2]),
    Pages([], [1], "archive", [1]),
    Pages([1, 2, 5, 6], [3, 4], "limit", [1, 2, 3, 4, 5]),
)


@pytest.mark.parametrize("pages", PAGES)
def test_a_page_of_both_passes_no_id_over(pages: Pages) -> None:
    """Aim: one order over table and files. Method: pages that end before and after each other."""
    page = ArchivedPage(rows_of(*pages.archived), "archive" not in pages.going_on)

    rows, ended = joined(
        rows_of(*pages.table), page, table_ended="table" not in pages.going_on, rows_max=5
    )

    assert [row[0] for row in rows] == pages.expected
    assert ended == (not pages.going_on)
