"""What cannot be followed without a gap is refused by name, at the start or as soon as it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from psycopg.conninfo import make_conninfo

from mainstem.errors import Refusal, UnknownTopic
from mainstem.event import Position
from mainstem.postgres.following import watch
from mainstem.postgres.following.faces import Following
from mainstem.postgres.following.session import Session
from mainstem.postgres.topics import create_topic
from tests.postgres.following.conftest import Field, until

TAKEN_OUT_AND_IN = (
    "ALTER PUBLICATION mainstem DROP TABLE {table}; ALTER PUBLICATION mainstem ADD TABLE {table}"
)


def refused(act: Callable[[], object]) -> str:
    """The name of the refusal."""
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value.name


def first_event(field: Field) -> Position:
    """The position of an event, which is saved for it."""
    with Following(field.request()) as following:
        field.insert()
        position = next(following).position
    assert position is not None
    return position


def test_an_unknown_topic_is_told(field: Field) -> None:
    """No table: UnknownTopic, and no slot is made."""
    with pytest.raises(UnknownTopic):
        Following(field.request(topic="nothing_events"))

    assert field.temporary_slots() == 0


@pytest.mark.parametrize(
    ("sql", "command"),
    [
        ("DROP PUBLICATION mainstem", "CREATE PUBLICATION mainstem FOR TABLE"),
        ("ALTER PUBLICATION mainstem DROP TABLE {table}", "ALTER PUBLICATION mainstem ADD TABLE"),
    ],
)
def test_a_topic_that_is_not_published_is_refused_with_the_command(
    field: Field, sql: str, command: str
) -> None:
    """Without publication, and outside of it: the message holds what would mend it."""
    field.connection.execute(sql.format(table=f"events.{field.topic}"))
    with pytest.raises(Refusal) as caught:
        Following(field.request())

    assert caught.value.name == "topic-not-published"
    assert command in caught.value.message
    assert field.temporary_slots() == 0


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("ALTER PUBLICATION mainstem SET (publish = 'insert, update')", "publication-altered"),
        (
            "ALTER PUBLICATION mainstem SET TABLE {table} WHERE (key IS NOT NULL)",
            "publication-altered",
        ),
        ("ALTER PUBLICATION mainstem SET TABLE {table} (id, key)", "publication-altered"),
        ("ALTER TABLE {table} SET UNLOGGED", "table-unlogged"),
        ("ALTER TABLE {table} DROP COLUMN data", "table-shape"),
    ],
)
def test_what_would_publish_less_is_refused(field: Field, sql: str, name: str) -> None:
    """Other operations, a row filter, a column list, an unlogged table, a missing column."""
    if name == "table-unlogged":
        # PostgreSQL itself refuses to let a published table become unlogged.
        field.connection.execute(f"ALTER PUBLICATION mainstem DROP TABLE events.{field.topic}")
    field.connection.execute(sql.format(table=f"events.{field.topic}"))

    assert refused(lambda: Following(field.request())) == name


@pytest.mark.parametrize("partition", [True, False])
def test_partitions_that_do_not_count_as_their_topic_are_refused_with_the_command(
    field: Field, *, partition: bool
) -> None:
    """The publication holds a partitioned topic, but not through its root: the option is told."""
    field.connection.execute(
        "CREATE TABLE events.parted_events (id bigserial, key uuid NOT NULL, data bytea NOT NULL,"
        " metadata bytea, timestamp timestamptz NOT NULL) PARTITION BY RANGE (id);"
        "ALTER PUBLICATION mainstem ADD TABLE events.parted_events;"
        "ALTER PUBLICATION mainstem SET (publish_via_partition_root = false)"
    )
    if partition:
        field.connection.execute(
            "CREATE TABLE events.parted_1 PARTITION OF events.parted_events DEFAULT"
        )
    with pytest.raises(Refusal) as caught:
        Following(field.request(topic="parted_events"))

    assert caught.value.name == "publication-altered"
    command = "ALTER PUBLICATION mainstem SET (publish_via_partition_root = true)"
    assert command in caught.value.message


def test_an_unlogged_partition_is_refused(field: Field) -> None:
    """Its rows would never come."""
    field.connection.execute(
        "CREATE TABLE events.parted_events (id bigserial, key uuid NOT NULL, data bytea NOT NULL,"
        " metadata bytea, timestamp timestamptz NOT NULL) PARTITION BY RANGE (id);"
        "CREATE UNLOGGED TABLE events.parted_1 PARTITION OF events.parted_events"
        " FOR VALUES FROM (1) TO (3);"
        "ALTER PUBLICATION mainstem ADD TABLE events.parted_events"
    )

    request = field.request(topic="parted_events")
    assert refused(lambda: Following(request)) == "partition-unpublished"


def test_a_position_that_no_slot_holds_is_refused(field: Field) -> None:
    """Without a slot, and with one that was made or moved too late."""
    position = first_event(field)
    without = refused(lambda: Following(field.request(position)))
    field.insert()
    field.anchor()
    too_late = refused(lambda: Following(field.request(position)))

    assert without == too_late == "position-not-held"
    assert field.temporary_slots() == 0


def test_a_position_that_is_not_of_the_topic_is_refused(field: Field) -> None:
    """Another topic's event, one that never was, and one beyond the end of the WAL."""
    create_topic(field.connection, "other_events")
    field.anchor()
    position = first_event(field)
    other = field.insert(topic="other_events")
    field.insert()
    with Following(field.request(position)) as following:
        behind = next(following).position
    assert other
    assert behind
    wrong = [
        Position(position.lsn, 1),
        Position(position.lsn + 1, 0),
        Position(behind.lsn - 1, 0),
        Position(behind.lsn + (1 << 40), 0),
    ]

    for place in wrong:
        assert refused(lambda place=place: next(field.follow(place))) == "position-not-held"  # type: ignore[misc]  # mypy cannot infer a default of a lambda


def test_an_idle_stream_is_enough_to_see_that_a_position_never_was(field: Field) -> None:
    """Nothing commits behind it: what the server says of its WAL tells, and nobody waits."""
    field.anchor()
    position = first_event(field)
    field.connection.execute("CREATE TABLE later (n int)")

    following = field.follow(Position(position.lsn, 3))
    assert refused(lambda: next(following)) == "position-not-held"


def test_a_source_that_moves_while_it_is_copied_is_not_trusted(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest slot runs away between look and copy: the next one that holds it is taken.

    Once that one runs away as well, and the third is dropped, the position is refused.
    """
    field.anchor("far")
    field.insert()
    field.anchor("near")
    field.anchor("gone")
    position = first_event(field)
    (later,) = field.insert()
    holders = Session.holders
    running = ["near"]

    def moving(session: Session, after: Position) -> list[str]:
        names = holders(session, after)
        for name in running:
            field.connection.execute(
                "SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", (name,)
            )
        if "gone" in names:
            field.connection.execute("SELECT pg_drop_replication_slot('gone')")
        return names

    monkeypatch.setattr(Session, "holders", moving)
    with Following(field.request(position)) as following:
        event = next(following)
    running.append("far")
    name = refused(lambda: Following(field.request(position)))

    assert event.id == later
    assert name == "position-not-held"


def test_a_table_that_was_out_of_the_publication_meanwhile_is_refused(field: Field) -> None:
    """It left, an event was saved, it came back: resuming before that would have a gap."""
    field.anchor()
    position = first_event(field)
    field.connection.execute(f"ALTER PUBLICATION mainstem DROP TABLE events.{field.topic}")
    field.insert()
    field.connection.execute(f"ALTER PUBLICATION mainstem ADD TABLE events.{field.topic}")
    field.insert()

    assert refused(lambda: next(field.follow(position))) == "position-not-held"


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("DROP TABLE {table}", "table-replaced"),
        ("ALTER TABLE {table} RENAME TO renamed", "table-replaced"),
        ("DROP PUBLICATION mainstem", "publication-missing"),
        ("ALTER PUBLICATION mainstem DROP TABLE {table}", "publication-altered"),
        (TAKEN_OUT_AND_IN, "publication-altered"),
        ("ALTER PUBLICATION mainstem SET (publish = 'insert, delete')", "publication-altered"),
    ],
)
def test_what_would_silence_the_stream_ends_it(
    field: Field, monkeypatch: pytest.MonkeyPatch, sql: str, name: str
) -> None:
    """Table and publication go while it is followed, with nothing in the stream to tell of it."""
    monkeypatch.setattr(watch, "WATCH_S", 0.05)
    following = field.follow()
    field.insert()
    next(following)
    field.connection.execute(sql.format(table=f"events.{field.topic}"))

    assert refused(lambda: next(following)) == name
    until(lambda: field.temporary_slots() == 0)


def test_the_watch_goes_on_when_its_own_connection_is_lost(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the ordinary connection is ended: events still come, and so does the refusal."""
    monkeypatch.setattr(watch, "WATCH_S", 0.05)
    following = field.follow()
    field.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' AND datname = current_database()"
    )
    field.insert()
    event = next(following)
    field.connection.execute(f"DROP TABLE events.{field.topic}")

    assert event.id == 1
    assert refused(lambda: next(following)) == "table-replaced"


def test_a_consumer_that_holds_back_too_much_is_ended(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is at work on one event the WAL grows beyond the bound: its slot goes."""
    monkeypatch.setattr(watch, "WATCH_S", 0.05)
    monkeypatch.setattr(watch, "HELD_WAL_BYTES_MAX", 1_000_000)
    following = field.follow()
    field.insert()
    next(following)
    field.connection.execute(
        "CREATE TABLE bulk AS SELECT repeat('x', 100) FROM generate_series(1, 30000)"
    )
    until(lambda: field.temporary_slots() == 0)

    assert refused(lambda: next(following)) == "follower-too-slow"


def test_a_role_without_the_right_is_told(field: Field) -> None:
    """A role that may read but not replicate: the refusal names the right."""
    role = f"reader_{field.topic}"
    field.connection.execute(
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA events TO {role};"
        f"GRANT SELECT ON events.{field.topic} TO {role}"
    )
    dsn = make_conninfo(field.database_url, user=role)
    try:
        name = refused(lambda: Following(replace(field.request(), dsn=dsn)))
    finally:
        field.connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

    assert name == "replication-privilege"
