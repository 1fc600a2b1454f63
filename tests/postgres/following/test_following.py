"""Following: every event once, in commit order, live, from an id, and from a position."""

from __future__ import annotations

import threading
from itertools import islice
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import DecodeError
from mainstem.event import Position
from mainstem.postgres.following import history
from mainstem.postgres.following.faces import AsyncFollowing, Following
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic
from tests.postgres.following.conftest import Field
from tests.postgres.payloads import Noted


def taken(following: Following, count: int) -> list[int]:
    """The ids of the next events."""
    return [event.id for event in islice(following, count)]


def test_events_come_in_the_order_of_their_commits(field: Field) -> None:
    """Two transactions, of which the later id commits first: it comes first, with its position."""
    following = field.follow()
    with psycopg.connect(field.database_url) as slow:
        (early,) = field.insert(connection=slow)
        late = field.insert(2)
        slow.commit()
    events = list(islice(following, 3))

    assert [event.id for event in events] == [*late, early]
    positions = [event.position for event in events]
    assert None not in positions
    assert positions == sorted(set(positions))  # type: ignore[type-var]  # none is None
    assert [position.ordinal for position in positions if position] == [0, 1, 0]
    assert following.position == positions[-1]


def test_an_event_comes_decoded(field: Field) -> None:
    """Payload, key, time and topic come back as they were saved."""
    following = field.follow()
    key = uuid4()
    field.connection.execute(
        f"INSERT INTO events.{field.topic} (key, data, timestamp) VALUES (%s, %s, to_timestamp(7))",
        (key, field.insert_data()),
    )
    event = next(following)

    assert (event.key, event.payload, event.topic) == (key, Noted(text="ä", count=1), field.topic)
    assert event.timestamp.timestamp() == 7
    assert event.version is None


def test_what_was_rolled_back_and_other_topics_never_come(field: Field) -> None:
    """A rollback, a savepoint's rollback and another topic's event lie between two events."""
    create_topic(field.connection, "other_events")
    following = field.follow()
    with psycopg.connect(field.database_url) as connection:
        field.insert(connection=connection)
        connection.rollback()
        with connection.transaction(force_rollback=True):
            field.insert(connection=connection)
        field.insert(topic="other_events", connection=connection)
        wanted = field.insert(connection=connection)
    event = next(following)

    assert [event.id] == wanted
    assert event.position
    assert event.position.ordinal == 1


def test_history_comes_first_and_each_event_once(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers write all the time: rows of before and of meanwhile are all there, none twice.

    Pages are small, so that many are read while the writers go on.
    """
    monkeypatch.setattr(history, "PAGE_ROWS_MAX", 7)
    stop = threading.Event()
    saved: list[int] = []

    def write() -> None:
        with psycopg.connect(field.database_url) as connection:
            while not stop.is_set():
                ids = field.insert(3, connection=connection)
                connection.commit()
                saved.extend(ids)

    writers = [threading.Thread(target=write) for _ in range(3)]
    field.insert(20)
    for writer in writers:
        writer.start()
    following = field.follow(after=5)
    seen = taken(following, 400)
    stop.set()
    for writer in writers:
        writer.join()
    field.insert()
    seen += taken(following, len(saved) + 16 - len(seen))

    assert len(seen) == len(set(seen))
    assert set(saved) | set(range(6, 21)) <= set(seen)
    assert seen[:15] == list(range(6, 21))


def test_history_has_no_position_and_what_follows_has(field: Field) -> None:
    """The table does not know in which order its rows committed, so none is claimed."""
    field.insert(2)
    following = field.follow(after=0)
    field.insert()
    positions = [event.position for event in islice(following, 3)]

    assert positions[:2] == [None, None]
    assert positions[2] is not None


@pytest.mark.parametrize("row_bytes", [10, 3000])
def test_pages_are_bounded_by_bytes(
    field: Field, monkeypatch: pytest.MonkeyPatch, row_bytes: int
) -> None:
    """A row that is larger than the bound comes too, alone."""
    monkeypatch.setattr(history, "PAGE_BYTES_MAX", 1000)
    frame = field.insert_data("x" * row_bytes)
    field.connection.execute(
        f"INSERT INTO events.{field.topic} (key, data, timestamp)"
        " SELECT gen_random_uuid(), %s, now() FROM generate_series(1, 30)",
        (frame,),
    )

    assert taken(field.follow(after=0), 30) == list(range(1, 31))


def test_resuming_goes_on_behind_the_position(field: Field) -> None:
    """Resumed at each event of three transactions, in the middle of one too: exactly the rest."""
    field.anchor()
    following = field.follow()
    for count in (2, 3, 1):
        field.insert(count)
    events = list(islice(following, 6))
    rests = [taken(field.follow(event.position), 5 - at) for at, event in enumerate(events[:-1])]

    assert rests == [[e.id for e in events[at + 1 :]] for at in range(5)]


def test_a_resumed_follower_goes_on_live(field: Field) -> None:
    """Resumed at the last event there is: what commits afterwards comes."""
    field.anchor()
    following = field.follow()
    field.insert()
    last = next(following)
    resumed = field.follow(last.position)
    later = field.insert(2)

    assert taken(resumed, 2) == later


def test_versions_come_along(versioned: Field) -> None:
    """The optional columns are in the stream and in the table, and `version` reaches the event."""
    key = uuid4()

    def save(version: int) -> None:
        versioned.connection.execute(
            f"INSERT INTO events.{versioned.topic} (key, data, timestamp, version, event_id)"
            " VALUES (%s, %s, now(), %s, gen_random_uuid())",
            (key, versioned.insert_data(), version),
        )

    save(1)
    following = versioned.follow(after=0)
    save(2)

    assert [event.version for event in islice(following, 2)] == [1, 2]


def test_columns_may_stand_in_any_order(field: Field) -> None:
    """Columns of ours, and foreign ones, between the usual ones: each value finds its place."""
    field.connection.execute(
        "CREATE TABLE events.mixed_events (note text DEFAULT 'n', version bigint NOT NULL,"
        " data bytea, event_id uuid, timestamp timestamptz NOT NULL, key text NOT NULL,"
        " id bigserial, metadata bytea, UNIQUE (key, version))"
    )
    field.connection.execute("ALTER PUBLICATION mainstem ADD TABLE events.mixed_events")
    insert = (
        "INSERT INTO events.mixed_events (key, data, version, timestamp) VALUES (%s, %s, 4, now())"
    )
    field.connection.execute(insert, ("früh", field.insert_data()))
    with Following(field.request(0, "mixed_events")) as following:
        field.connection.execute(insert, ("spät", field.insert_data()))
        events = list(islice(following, 2))

    assert [(event.key, event.version) for event in events] == [("früh", 4), ("spät", 4)]


@pytest.mark.parametrize(
    ("key_type", "key"), [("text", "k"), ("bigint", 7), ("bytea", b"\0k"), ("boolean", True)]
)
def test_keys_come_as_their_type(field: Field, key_type: str, key: object) -> None:
    """Whatever a topic is keyed by comes back, live and from the table."""
    create_topic(field.connection, "keyed_events", TopicOptions(key_type=key_type))
    insert = "INSERT INTO events.keyed_events (key, data, timestamp) VALUES (%s, %s, now())"
    field.connection.execute(insert, (key, field.insert_data()))
    with Following(field.request(0, "keyed_events")) as following:
        field.connection.execute(insert, (key, field.insert_data()))

        assert [event.key for event in islice(following, 2)] == [key, key]


def test_a_partitioned_topic_is_followed_by_its_root(field: Field) -> None:
    """Rows of all partitions come, as rows of the one topic."""
    field.connection.execute(
        "CREATE TABLE events.parted_events (id bigserial, key uuid NOT NULL, data bytea NOT NULL,"
        " metadata bytea, timestamp timestamptz NOT NULL) PARTITION BY RANGE (id);"
        "CREATE TABLE events.parted_1 PARTITION OF events.parted_events FOR VALUES FROM (1) TO (3);"
        "CREATE TABLE events.parted_2 PARTITION OF events.parted_events FOR VALUES FROM (3) TO (9);"
        "ALTER PUBLICATION mainstem ADD TABLE events.parted_events"
    )
    with Following(field.request(None, "parted_events")) as following:
        ids = field.insert(4, topic="parted_events")

        assert taken(following, 4) == ids


def test_an_event_that_cannot_be_read_stops_it_after_those_before(field: Field) -> None:
    """The good event is given, then DecodeError tells where the bad one stands."""
    following = field.follow()
    with psycopg.connect(field.database_url) as connection:
        (good,) = field.insert(connection=connection)
        connection.execute(
            f"INSERT INTO events.{field.topic} (key, data, timestamp)"
            " VALUES (gen_random_uuid(), 'no frame', now())"
        )
    event = next(following)
    with pytest.raises(DecodeError) as caught:
        next(following)

    assert event.id == good
    assert event.position
    assert str(Position(event.position.lsn, 1)) in caught.value.message


async def test_the_asynchronous_face_gives_the_same(field: Field) -> None:
    """History, then live, through `async for`, and the position that was reached."""
    field.insert(2)
    seen = []
    async with AsyncFollowing(field.request(0)) as following:
        field.insert(2)
        async for event in following:
            seen.append(event.id)
            if len(seen) == 4:
                break

    assert seen == [1, 2, 3, 4]
    assert following.position == event.position is not None
