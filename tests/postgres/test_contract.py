"""What a save promises, through both faces of the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import (
    ConnectionMisused,
    EventRefused,
    InvalidMetadata,
    InvalidName,
    NaiveDatetime,
    ReservedMetadataName,
    TableChanged,
    UndeclaredPayload,
    UnknownTopic,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import Event, Key, StoredEvent
from mainstem.metadata_codec import decode_metadata
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic
from tests.postgres.conftest import BOTH_SERVERS, Face, count, settled
from tests.postgres.payloads import Noted, Undeclared, noted

pytestmark = BOTH_SERVERS

Connection = psycopg.Connection[Any]


async def test_a_save_of_its_own_is_committed(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: the row is there for others when save returns. Method: read it elsewhere."""
    moment = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    event = Event(uuid4(), Noted(text="a", count=1), moment, {"b": b"2", "a": b"1"})

    stored = await face.save(new_topic, event)
    row = observer.execute(f"SELECT * FROM events.{new_topic}").fetchone()

    assert isinstance(stored, StoredEvent)
    assert (stored.topic, stored.key, stored.payload) == (new_topic, event.key, event.payload)
    assert row is not None
    assert row[:2] == (stored.id, event.key)
    assert row[2][0] == 0
    assert decode_metadata(row[3]) == {"a": b"1", "b": b"2"}
    assert row[4] == moment - timedelta(microseconds=999)


async def test_empty_metadata_is_null(face: Face, new_topic: str, observer: Connection) -> None:
    """Aim: the format of the original. Method: save alone and among others, then read."""
    await face.save(new_topic, noted())
    await face.save_many(new_topic, [noted(), noted()])
    await face.save_many(new_topic, [noted(), noted(1, a=b"1")])

    found = observer.execute(
        f"SELECT metadata IS NULL FROM events.{new_topic} ORDER BY id"
    ).fetchall()

    assert [null for (null,) in found] == [True, True, True, True, False]


async def test_events_within_a_transaction_appear_with_its_commit(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: the store never commits the caller's transaction. Method: look before and after."""
    await face.save(new_topic, noted(), within=face.connection)
    await face.save_many(new_topic, [noted(), noted()], within=face.connection)
    before = count(observer, new_topic)
    await face.commit()

    assert before == 0
    assert count(observer, new_topic) == 3


async def test_a_rollback_leaves_nothing(face: Face, new_topic: str, observer: Connection) -> None:
    """Aim: nothing of a save survives. Method: roll back, save by itself, look."""
    await face.save_many(new_topic, [noted()] * 3, within=face.connection)
    await face.rollback()
    await face.save(new_topic, noted())

    assert count(observer, new_topic) == 1


async def test_a_savepoint_takes_back_only_its_own(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: savepoints are the caller's. Method: one save before, one inside that is undone."""
    first = await face.save(new_topic, noted(), within=face.connection)
    await face.execute("SAVEPOINT s")
    await face.save(new_topic, noted(), within=face.connection)
    await face.execute("ROLLBACK TO SAVEPOINT s")
    await face.commit()

    found = observer.execute(f"SELECT id FROM events.{new_topic}").fetchall()

    assert found == [(first.id,)]


async def test_an_error_of_the_caller_takes_the_events_along(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: an error inside the caller's block. Method: fail after a save, leave the block."""
    await face.save(new_topic, noted(), within=face.connection)
    with pytest.raises(psycopg.errors.DivisionByZero):
        await face.execute("SELECT 1 / 0")
    await face.commit()

    assert count(observer, new_topic) == 0


async def test_ids_follow_the_order_of_the_events(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: order of 5,000 events over several statements. Method: compare with the keys."""
    events = [noted(place, **({"n": b"1"} if place % 7 == 0 else {})) for place in range(5000)]

    stored = await face.save_many(new_topic, iter(events))
    keys = observer.execute(f"SELECT id, key FROM events.{new_topic} ORDER BY id").fetchall()

    assert [(event.id, event.key) for event in stored] == keys
    assert [event.key for event in events] == [key for _, key in keys]


async def test_no_events_are_no_error(face: Face, new_topic: str) -> None:
    """Aim: an empty iterable. Method: save it, alone and within."""
    assert await face.save_many(new_topic, []) == []
    assert await face.save_many(new_topic, iter(()), within=face.connection) == []


def out_of_range() -> Event[Noted]:
    """A count beyond 32 bits."""
    return noted(1 << 31)


BAD_EVENTS: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "wrong key type": (lambda: noted(key="text"), WrongKeyType),
    "undeclared payload": (lambda: Event(uuid4(), Undeclared("a")), UndeclaredPayload),
    "naive datetime": (
        lambda: Event(uuid4(), Noted(text="a", count=1), datetime(2024, 1, 1)),  # noqa: DTZ001 # The case.
        NaiveDatetime,
    ),
    "reserved metadata name": (lambda: noted(lsn=b"1"), ReservedMetadataName),
    "metadata of a wrong type": (
        lambda: Event(uuid4(), Noted(text="a", count=1), metadata={"a": "1"}),  # type: ignore[dict-item] # The case.
        InvalidMetadata,
    ),
    "value out of range": (out_of_range, ValueOutOfRange),
    "before 1970": (
        lambda: Event(uuid4(), Noted(text="a", count=1), datetime(1969, 12, 31, tzinfo=UTC)),
        ValueOutOfRange,
    ),
    "no event": (lambda: Noted(text="a", count=1), EventRefused),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
async def test_a_bad_event_is_refused_before_any_row_is_sent(
    case: str, face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: each kind of bad input has its error. Method: put it behind 1,500 good ones."""
    make, error = BAD_EVENTS[case]
    good = [noted() for _ in range(1500)]

    with pytest.raises(error):
        await face.save_many(new_topic, [*good, make()])
    with pytest.raises(error):
        await face.save(new_topic, make(), within=face.connection)
    await face.commit()
    drawn = observer.execute(f"SELECT is_called FROM events.{new_topic}_id_seq").fetchone()

    assert drawn == (False,)


async def test_an_unknown_topic_is_refused_and_the_transaction_goes_on(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: a missing table does not abort the caller's transaction. Method: save after it."""
    with pytest.raises(UnknownTopic, match="nowhere_events"):
        await face.save("nowhere_events", noted())
    with pytest.raises(UnknownTopic, match="nowhere_events"):
        await face.save("nowhere_events", noted(), within=face.connection)
    with pytest.raises(InvalidName):
        await face.save('a"; DROP', noted(), within=face.connection)
    await face.save(new_topic, noted(), within=face.connection)
    await face.commit()

    assert count(observer, new_topic) == 1


async def test_a_table_of_the_callers_own_transaction_can_be_saved_to(
    face: Face, store_database: str
) -> None:
    """Aim: look-up on the caller's connection. Method: rename a table inside the transaction."""
    name = f"t{uuid4().hex[:12]}_events"
    with psycopg.connect(store_database) as connection:
        create_topic(connection, f"{name}_")
    await face.execute(f"ALTER TABLE events.{name}_ RENAME TO {name}")

    assert (await face.save(name, noted(), within=face.connection)).id == 1


async def test_a_table_made_anew_is_looked_at_anew(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: no stale memory of tables. Method: replace it by one with text keys."""
    await face.save(new_topic, noted())
    observer.execute(f"DROP TABLE events.{new_topic}")
    with pytest.raises(UnknownTopic):
        await face.save(new_topic, noted())
    create_topic(observer, new_topic)
    await face.save_many(new_topic, [noted()] * 2500)
    observer.execute(f"DROP TABLE events.{new_topic}")
    create_topic(observer, new_topic, TopicOptions(key_type="text"))
    with pytest.raises(WrongKeyType):
        await face.save_many(new_topic, [noted()] * 2500)

    assert (await face.save(new_topic, noted(key="text"))).id == 1


async def test_a_replaced_table_is_noticed_within_a_transaction(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: a remembered key type never misleads. Method: replace the table, go on in one go."""
    await face.save(new_topic, noted())
    observer.execute(f"DROP TABLE events.{new_topic}")
    create_topic(observer, new_topic, TopicOptions(key_type="text"))

    with pytest.raises(WrongKeyType):
        await face.save(new_topic, noted(), within=face.connection)
    await face.save(new_topic, noted(key="text"), within=face.connection)
    await face.commit()

    assert count(observer, new_topic) == 1


async def test_a_dropped_table_fails_the_callers_transaction_once(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: the caller is told to start over, and then why. Method: drop it after a save."""
    await face.save(new_topic, noted())
    observer.execute(f"DROP TABLE events.{new_topic}")

    with pytest.raises(TableChanged):
        await face.save(new_topic, noted(), within=face.connection)
    with pytest.raises(ConnectionMisused, match="failed"):
        await face.save(new_topic, noted(), within=face.connection)
    await face.rollback()
    with pytest.raises(UnknownTopic):
        await face.save(new_topic, noted(), within=face.connection)


async def test_a_column_that_was_added_is_noticed(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: what was refused for the table is looked at again. Method: add metadata afterwards."""
    observer.execute(f"ALTER TABLE events.{new_topic} DROP COLUMN metadata")
    await face.save(new_topic, noted())
    observer.execute(f"ALTER TABLE events.{new_topic} ADD COLUMN metadata bytea")
    await face.save(new_topic, noted(1, a=b"1"))
    observer.execute(f"ALTER TABLE events.{new_topic} DROP COLUMN metadata")
    with pytest.raises(InvalidMetadata):
        await face.save(new_topic, noted(1, a=b"1"))

    assert count(observer, new_topic) == 2


async def test_rows_that_a_trigger_drops_are_no_silent_loss(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: fewer rows than events is an error. Method: a trigger that drops every row."""
    observer.execute(
        f"CREATE FUNCTION events.drop_{new_topic}() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$"
    )
    observer.execute(
        f"CREATE TRIGGER dropping BEFORE INSERT ON events.{new_topic}"
        f" FOR EACH ROW EXECUTE FUNCTION events.drop_{new_topic}()"
    )
    for _ in range(2):
        with pytest.raises(EventRefused, match="0 of 1500"):
            await face.save_many(new_topic, [noted()] * 1500)


async def test_autocommit_without_a_transaction_is_refused(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: within= means a transaction. Method: autocommit without and with BEGIN."""
    await face.rollback()
    await settled(face.connection.set_autocommit(True))
    with pytest.raises(ConnectionMisused, match="autocommit"):
        await face.save(new_topic, noted(), within=face.connection)
    await face.execute("BEGIN")
    await face.save(new_topic, noted(), within=face.connection)
    await face.execute("ROLLBACK")

    assert count(observer, new_topic) == 0


async def test_a_connection_of_another_kind_is_refused(
    face: Face, new_topic: str, observer: Connection, store_database: str
) -> None:
    """Aim: a clear error for each wrong object. Method: hand over what is no match."""
    async with await psycopg.AsyncConnection.connect(store_database) as other:
        wrong = observer if isinstance(face.connection, psycopg.AsyncConnection) else other
        for connection in (wrong, object(), store_database):
            with pytest.raises(ConnectionMisused, match="within="):
                await face.save(new_topic, noted(), within=connection)


async def test_a_closed_connection_is_refused(face: Face, new_topic: str) -> None:
    """Aim: a closed connection and a closed store. Method: close, then save."""
    await settled(face.connection.close())
    with pytest.raises(ConnectionMisused, match="closed"):
        await face.save(new_topic, noted(), within=face.connection)
    for _ in range(2):
        await settled(face.store.close())
    with pytest.raises(ConnectionMisused, match="closed"):
        await face.save(new_topic, noted())


KEYS: dict[str, list[Key]] = {
    "uuid": [UUID(int=0), uuid4()],
    "text": ["", "ä€😀", "'; DROP"],
    "bigint": [-(1 << 63), 0, (1 << 63) - 1],
    "integer": [-(1 << 31), 1, (1 << 31) - 1],
    "smallint": [-(1 << 15), 1, (1 << 15) - 1],
    "numeric": [Decimal("0.000"), Decimal("-1234567890123456789012345678901234567890.5"), 7],
    "boolean": [True, False],
    "bytea": [b"", b"\0\xff"],
}


@pytest.mark.parametrize("key_type", KEYS)
async def test_keys_of_every_type_come_back_as_they_were(
    key_type: str, face: Face, observer: Connection
) -> None:
    """Aim: the eight key types, one and many. Method: save each way and read the column."""
    topic = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(key_type=key_type))
    keys = KEYS[key_type]

    for key in keys:
        await face.save(topic, noted(key=key))
    await face.save_many(topic, [noted(key=key) for key in keys])
    found = observer.execute(f"SELECT key FROM events.{topic} ORDER BY id").fetchall()

    assert [key for (key,) in found] == keys * 2


async def test_a_table_without_metadata_takes_events_without_metadata(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: tables of the original's first version. Method: drop the column, save both kinds."""
    observer.execute(f"ALTER TABLE events.{new_topic} DROP COLUMN metadata")
    await face.save(new_topic, noted())
    await face.save_many(new_topic, [noted(), noted()])
    with pytest.raises(InvalidMetadata, match="metadata"):
        await face.save(new_topic, noted(1, a=b"1"))

    assert count(observer, new_topic) == 3
