"""Reading page by page: every row once, in order, whatever the size of a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    NaiveDatetime,
    TableChanged,
    UnknownTopic,
    WrongKeyType,
)
from mainstem.event import Event, Key
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.reading import course, statements
from mainstem.postgres.topics import create_topic
from mainstem.wire import Wire
from tests.postgres.payloads import Noted, noted
from tests.postgres.reading.conftest import ReadingFace, only, table_made
from tests.postgres.reading.payloads import Counted

Connection = psycopg.Connection[Any]
Fill = Callable[..., list[int]]

KEY, OTHER = uuid4(), uuid4()
PLAIN = "key uuid, metadata bytea, timestamp timestamptz NOT NULL"
START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS: dict[str, Key] = {
    "uuid": UUID(int=7),
    "text": "größe",
    "bigint": -(2**62),
    "integer": 7,
    "smallint": -7,
    "numeric": Decimal("1.50"),
    "boolean": True,
    "bytea": b"\0\xff",
}


def counted(amount: int, key: Key = KEY, **metadata: bytes) -> Event[Counted]:
    """An event whose time tells its number too."""
    return Event(key, Counted(amount=amount), START + timedelta(seconds=amount), metadata)


def ids(events: list[Any]) -> list[int]:
    """Their ids."""
    return [event.id for event in events]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three rows, so that a few rows are many pages."""
    for module in (course, statements):
        monkeypatch.setattr(module, "PAGE_ROWS_MAX", 3)
    monkeypatch.setattr(statements.Bounds.__new__, "__defaults__", (3, 1000))
    monkeypatch.setattr(statements, "SMALL_ROW_BYTES_MAX", 300)


async def test_what_was_saved_comes_back(reading: ReadingFace, new_topic: str, fill: Fill) -> None:
    """Aim: equal events, with their place. Method: two keys, with and without metadata."""
    events = [counted(1), noted(2, key=OTHER, b=b"2", a=b""), counted(3)]
    written = fill(new_topic, events)

    back = await reading.read_all(new_topic)

    assert ids(back) == written
    assert [Event(e.key, e.payload, e.timestamp, e.metadata) for e in back] == events
    assert {(event.topic, event.version, event.position) for event in back} == {
        (new_topic, None, None)
    }


async def test_a_key_is_read_alone_and_from_either_end(
    reading: ReadingFace, new_topic: str, fill: Fill
) -> None:
    """Aim: key=, after=, backwards=, limit=. Method: compare with the ids that were written."""
    written = fill(new_topic, [counted(n, KEY if n % 2 else OTHER) for n in range(8)])
    mine = written[1::2]

    forwards = await reading.read(new_topic, key=KEY)
    behind = await reading.read(new_topic, key=KEY, after=mine[1])
    last = await reading.read(new_topic, key=KEY, backwards=True, limit=1)
    before = await reading.read(new_topic, key=KEY, backwards=True, after=mine[2])
    nobody = await reading.read(new_topic, key=uuid4())

    assert ids(forwards) == mine
    assert ids(behind) == mine[2:]
    assert ids(last) == mine[-1:]
    assert ids(before) == mine[1::-1]
    assert nobody == []


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 10])
@pytest.mark.usefixtures("small_pages")
async def test_every_row_comes_once_whatever_the_number_of_pages(
    reading: ReadingFace, new_topic: str, fill: Fill, count: int
) -> None:
    """Aim: no row lost or doubled at the edge of a page, with any limit and place.

    Method: pages of three rows, around multiples of three, against slices of the list.
    """
    written = fill(new_topic, [counted(n) for n in range(count)])

    everything = await reading.read_all(new_topic)
    backwards = await reading.read(new_topic, key=KEY, backwards=True)
    rows = await reading.read_rows(new_topic)
    limited = [ids(await reading.read_all(new_topic, limit=n)) for n in range(count + 2)]
    behind = [ids(await reading.read_all(new_topic, after=each)) for each in written]

    assert ids(everything) == written
    assert ids(backwards) == written[::-1]
    assert ids(rows) == written
    assert limited == [written[:n] for n in range(count + 2)]
    assert behind == [written[n + 1 :] for n in range(count)]


@pytest.mark.usefixtures("small_pages")
async def test_large_rows_come_too_and_in_their_place(
    reading: ReadingFace, new_topic: str, fill: Fill
) -> None:
    """Aim: the bound on bytes loses nothing.

    Method: rows on both sides of every bound, in data and in metadata, where a page holds 1000
    bytes and a small row 300.
    """
    sizes = [1, 290, 5000, 10, 10, 900, 900, 5000, 10, 10, 10, 10, 400, 10]
    events = [Event(KEY, Noted(text="x" * size, count=n)) for n, size in enumerate(sizes)]
    events += [noted(99, key=KEY, large=b"y" * 2000), noted(100, key=KEY)]
    written = fill(new_topic, events)

    back = await reading.read_all(new_topic)
    backwards = await reading.read(new_topic, key=KEY, backwards=True)

    assert ids(back) == written
    assert [event.payload for event in back] == [event.payload for event in events]
    assert back[-2].metadata == {"large": b"y" * 2000}
    assert ids(backwards) == written[::-1]


@pytest.mark.usefixtures("small_pages")
async def test_filters_equal_a_filter_in_python(
    reading: ReadingFace, new_topic: str, fill: Fill
) -> None:
    """Aim: types=, since=, until= and limit= together. Method: the same by comprehension."""
    written = fill(new_topic, [counted(n) if n % 3 else noted(n, key=KEY) for n in range(12)])
    since, until = START + timedelta(seconds=2), START + timedelta(seconds=8)

    of_class = await reading.read_all(new_topic, types=[Counted])
    by_name = await reading.read_all(new_topic, types=["com.example.postgres.Noted"])
    in_time = await reading.read(new_topic, key=KEY, since=since, until=until, types=[Counted])
    first = await reading.read_all(new_topic, types=[Noted], limit=2)

    assert ids(of_class) == [id_ for n, id_ in enumerate(written) if n % 3]
    assert ids(by_name) == written[::3]
    assert ids(in_time) == [id_ for n, id_ in enumerate(written) if n % 3 and 2 <= n < 8]
    assert ids(first) == written[:6:3]


async def test_payloads_that_are_not_wanted_are_not_decoded(
    reading: ReadingFace, observer: Connection, fill: Fill
) -> None:
    """Aim: the type is told from the frame's head. Method: break the body of the other type."""
    topic = table_made(observer, PLAIN)
    written = fill(topic, [counted(1), noted(2, key=KEY)])
    observer.execute(
        f"UPDATE events.{topic} SET data = substring(data FOR 5) WHERE id = {written[0]}"
    )

    assert ids(await reading.read_all(topic, types=[Noted])) == written[1:]


@pytest.mark.parametrize("name", KEYS)
async def test_every_type_of_key_is_found(
    reading: ReadingFace, observer: Connection, fill: Fill, name: str
) -> None:
    """Aim: a key is compared as the column's type. Method: one topic for each type."""
    topic = f"k{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(key_type=name))
    fill(topic, [counted(1, KEYS[name])])

    back = await reading.read(topic, key=KEYS[name])

    assert [event.key for event in back] == [KEYS[name]]


async def test_a_key_of_another_type_is_refused(reading: ReadingFace, new_topic: str) -> None:
    """Aim: no silent emptiness. Method: a str for a table of UUIDs."""
    with pytest.raises(WrongKeyType):
        await reading.read(new_topic, key="a")


async def test_a_table_without_metadata_is_read_and_a_new_column_is_noticed(
    reading: ReadingFace, observer: Connection, wire: Wire, fill: Fill
) -> None:
    """Aim: the original's first shape works, and adding the column is never overlooked.

    Method: read, add the column, save with metadata, and read through the same store.
    """
    topic = table_made(observer, "key uuid NOT NULL, timestamp timestamptz NOT NULL")
    event = counted(1)
    observer.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp) VALUES (%s, %s, %s)",
        (event.key, wire.frame(event), event.timestamp),
    )
    before = await reading.read_all(topic)
    observer.execute(f"ALTER TABLE events.{topic} ADD COLUMN metadata bytea")
    fill(topic, [counted(2, a=b"1")])
    after = await reading.read_all(topic)

    assert [event.metadata for event in before] == [{}]
    assert [event.metadata for event in after] == [{}, {"a": b"1"}]


async def test_versions_come_where_the_topic_has_them(
    reading: ReadingFace, observer: Connection, wire: Wire
) -> None:
    """Aim: StoredEvent.version, and rows without it. Method: a versioned topic."""
    topic = f"v{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(versioned=True))
    event = counted(1)
    observer.execute(
        f"INSERT INTO events.{topic} (key, data, timestamp, version) VALUES (%s, %s, %s, 7)",
        (event.key, wire.frame(event), event.timestamp),
    )

    assert [event.version for event in await reading.read_all(topic)] == [7]
    assert [row.data for row in await reading.read_rows(topic)] == [wire.frame(event)]


async def test_a_topic_that_is_not_there_is_named(reading: ReadingFace, new_topic: str) -> None:
    """Aim: UnknownTopic, never seen and dropped meanwhile, read and pattern."""
    await reading.read_all(new_topic)
    await settled_drop(reading, new_topic)

    for read in (
        reading.read_all("absent_events"),
        reading.read_rows("absent_events"),
        reading.read_all("absent_*"),
        reading.read_all(new_topic),
    ):
        with pytest.raises(UnknownTopic):
            await read


async def settled_drop(reading: ReadingFace, topic: str) -> None:
    """Drop the topic's table through the face's connection."""
    done = reading.connection.execute(f"DROP TABLE events.{topic}")
    if hasattr(done, "__await__"):
        await done
        await reading.connection.commit()
    else:
        reading.connection.commit()


async def test_a_row_that_cannot_be_read_comes_behind_what_can(
    reading: ReadingFace, observer: Connection, fill: Fill
) -> None:
    """Aim: nothing is skipped, and the error names topic and id. Method: every kind of damage."""
    new_topic = table_made(observer, PLAIN)
    first, second, _ = fill(new_topic, [counted(1), counted(2), counted(3)])
    for damage in (
        "data = '\\x'",
        "data = '\\x0000000001'",
        "data = '\\x007fffffff00'",
        "metadata = '\\x05'",
        "timestamp = 'infinity'",
        "timestamp = '0044-03-15 BC'",
    ):
        observer.execute("BEGIN")
        observer.execute(f"UPDATE events.{new_topic} SET {damage} WHERE id = {second}".encode())
        observer.execute("COMMIT")
        iterator = reading.store.read_all(new_topic)
        good = await reading.next(iterator)

        assert good.id == first
        with pytest.raises(DecodeError, match=f"event {second} of {new_topic} "):
            await reading.next(iterator)
        observer.execute(
            f"UPDATE events.{new_topic} SET metadata = NULL, timestamp = now(),"
            f" data = (SELECT data FROM events.{new_topic} WHERE id = {first}) WHERE id = {second}"
        )


async def test_data_that_is_null_is_told(reading: ReadingFace, observer: Connection) -> None:
    """Aim: a foreign table's NULL is an error with a place, not a wait for a larger page."""
    topic = table_made(observer, PLAIN)
    observer.execute(f"INSERT INTO events.{topic} (timestamp) VALUES (now())")

    with pytest.raises(DecodeError, match="NULL"):
        await reading.read_all(topic)


async def test_rows_come_as_they_are(
    reading: ReadingFace, fill: Fill, wire: Wire, observer: Connection
) -> None:
    """Aim: read_rows decodes nothing, and gives UTC. Method: garbage, and a time zone far away."""
    new_topic = table_made(observer, PLAIN)
    (id_,) = fill(new_topic, [counted(1, a=b"1")])
    observer.execute(f"UPDATE events.{new_topic} SET data = 'garbage'")
    (row,) = await reading.read_rows(new_topic)

    assert row == (id_, KEY, b"garbage", wire.pack_metadata(counted(1, a=b"1")), row.timestamp)
    assert row.timestamp == START + timedelta(seconds=1)
    assert row.timestamp.tzinfo is UTC


async def test_within_a_connection_its_own_transaction_is_read(
    reading: ReadingFace, new_topic: str, wire: Wire
) -> None:
    """Aim: what the caller has saved and not committed is there, and nowhere else."""
    event = counted(1)
    done = reading.connection.execute(
        f"INSERT INTO events.{new_topic} (key, data, timestamp) VALUES (%s, %s, %s)",
        (event.key, wire.frame(event), event.timestamp),
    )
    if hasattr(done, "__await__"):
        await done

    inside = await reading.read(new_topic, key=KEY, within=reading.connection)
    outside = await reading.read(new_topic, key=KEY)

    assert [event.payload for event in inside] == [event.payload]
    assert outside == []


async def test_what_cannot_be_meant_is_refused_at_once(
    reading: ReadingFace, new_topic: str
) -> None:
    """Aim: an error at the call, not at the first event. Method: every wrong argument."""
    for arguments in (
        {"limit": -1},
        {"limit": "3"},
        {"types": "com.example.Noted"},
        {"after": "3"},
        {"after": {new_topic: 3}},
    ):
        with pytest.raises(ConfigurationError):
            reading.store.read_all(new_topic, **arguments)
    with pytest.raises(ConfigurationError):
        reading.store.read_all("*_events", after=3)
    with pytest.raises(NaiveDatetime):
        reading.store.read_all(new_topic, since=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.usefixtures("small_pages")
async def test_an_iterator_may_be_left_at_any_event(
    reading: ReadingFace, new_topic: str, fill: Fill, observer: Connection
) -> None:
    """Aim: nothing is held open by a reader that has gone.

    Method: look at the server's sessions for a transaction, and use the store on.
    """
    written = fill(new_topic, [counted(n) for n in range(9)])
    iterator = reading.store.read_all(new_topic)
    first = await reading.next(iterator)
    del iterator
    open_transactions = only(
        observer,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'mainstem' AND state <> 'idle'",
    )

    assert first.id == written[0]
    assert open_transactions == 0
    assert ids(await reading.read_all(new_topic)) == written


async def test_an_altered_table_fails_the_callers_transaction_honestly(
    reading: ReadingFace, new_topic: str, observer: Connection
) -> None:
    """Aim: within a transaction a remembered table that lost a column is TableChanged."""
    await reading.read(new_topic, key=KEY, within=reading.connection)
    done = reading.connection.commit()
    if hasattr(done, "__await__"):
        await done
    observer.execute(f"ALTER TABLE events.{new_topic} DROP COLUMN metadata")

    with pytest.raises(TableChanged):
        await reading.read(new_topic, key=KEY, within=reading.connection)
    assert await reading.read_all(new_topic) == []
