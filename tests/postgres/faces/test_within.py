"""A save within: it belongs to the caller's transaction, which stays the caller's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import (
    ConnectionMisused,
    EventRefused,
    ServerUnavailable,
    TableChanged,
    UnknownTopic,
    WrongKeyType,
)
from mainstem.event import Key, StoredEvent
from mainstem.metadata_codec import decode_metadata
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import create_topic
from tests.postgres.conftest import BOTH_SERVERS, count
from tests.postgres.faces.callers import Caller
from tests.postgres.payloads import noted

pytestmark = BOTH_SERVERS

Connection = psycopg.Connection[Any]


async def test_events_appear_with_the_callers_commit(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: no commit of ours. Method: save one and two, look from outside before and after."""
    event = noted(1)
    await caller.begin()
    stored = await caller.save(new_topic, event)
    await caller.save_many(new_topic, [noted(), noted()])
    before = count(observer, new_topic)
    await caller.commit()

    assert before == 0
    assert count(observer, new_topic) == 3
    assert isinstance(stored, StoredEvent)
    assert (stored.topic, stored.id, stored.key) == (new_topic, 1, event.key)


async def test_a_rollback_takes_the_events_along(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: nothing stays. Method: roll back, then save and commit on the same connection."""
    await caller.begin()
    await caller.save(new_topic, noted())
    await caller.save_many(new_topic, [noted(), noted()])
    await caller.rollback()
    await caller.begin()
    await caller.save(new_topic, noted())
    await caller.commit()

    assert count(observer, new_topic) == 1


async def test_the_transaction_is_one_and_the_same(caller: Caller, new_topic: str) -> None:
    """Aim: no transaction of ours beside it. Method: its number before, between and after."""
    await caller.begin()
    numbers = [await caller.scalar("SELECT txid_current()")]
    for save in (caller.save(new_topic, noted()), caller.save_many(new_topic, [noted()] * 3)):
        await save
        numbers.append(await caller.scalar("SELECT txid_current()"))
    seen = await caller.scalar(f"SELECT count(*) FROM events.{new_topic}")
    await caller.rollback()

    assert len(set(numbers)) == 1
    assert seen == 4


async def test_a_savepoint_takes_back_only_its_own(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: savepoints are the caller's. Method: a save before, one inside undone, one after."""
    await caller.begin()
    first = await caller.save(new_topic, noted())
    await caller.save_and_undo(new_topic)
    async with caller.savepoint():
        third = await caller.save(new_topic, noted())
    await caller.commit()
    found = observer.execute(f"SELECT id FROM events.{new_topic} ORDER BY id").fetchall()

    assert found == [(first.id,), (third.id,)]


async def test_a_savepoint_survives_what_the_server_refuses(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: an error of a save, caught as usual. Method: a unique key twice, inside a savepoint."""
    observer.execute(f"ALTER TABLE events.{new_topic} ADD UNIQUE (key)")
    event = noted()
    await caller.begin()
    await caller.save(new_topic, event)
    with pytest.raises(EventRefused, match=r"UniqueViolation\w* \(23505\), constraint"):
        async with caller.savepoint():
            await caller.save(new_topic, event)
    await caller.save(new_topic, noted())
    await caller.commit()

    assert count(observer, new_topic) == 2


async def test_an_error_of_the_caller_takes_the_events_along(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: all or nothing, with the caller's own rows. Method: save, fail, be told, start over."""
    await caller.begin()
    await caller.save(new_topic, noted())
    with pytest.raises(Exception, match="division by zero"):
        await caller.scalar("SELECT 1 / 0")
    with pytest.raises(ConnectionMisused, match="has failed"):
        await caller.save(new_topic, noted())
    await caller.rollback()
    await caller.begin()
    await caller.save(new_topic, noted())
    await caller.commit()

    assert count(observer, new_topic) == 1


async def test_a_bad_event_leaves_the_transaction_as_it_was(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: checks come before any row. Method: a wrong key, an unknown topic, then a good one."""
    await caller.begin()
    with pytest.raises(WrongKeyType):
        await caller.save_many(new_topic, [noted(), noted(key="text")])
    with pytest.raises(UnknownTopic):
        await caller.save("nowhere_events", noted())
    await caller.save(new_topic, noted())
    await caller.commit()

    assert count(observer, new_topic) == 1


async def test_outside_of_a_transaction_it_is_refused(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: no save that commits by itself. Method: autocommit, or nothing begun."""
    await caller.autocommit()
    with pytest.raises(ConnectionMisused) as caught:
        await caller.save(new_topic, noted())

    assert "within=" in caught.value.hint
    assert count(observer, new_topic) == 0


async def test_a_closed_connection_is_refused(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: a clear error. Method: close what is lent, then save.

    What a Session works on may also have died in SQLAlchemy's pool: then to try again helps.
    """
    await caller.begin()
    await caller.close()
    with pytest.raises((ConnectionMisused, ServerUnavailable)):
        await caller.save(new_topic, noted())

    assert count(observer, new_topic) == 0


async def test_a_connection_that_breaks_is_told(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: nothing was saved, try again. Method: end its backend after a save, save twice."""
    await caller.begin()
    await caller.save(new_topic, noted())
    backend = await caller.scalar("SELECT pg_backend_pid()")
    observer.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
    with pytest.raises(ServerUnavailable):
        await caller.save(new_topic, noted())
    with pytest.raises(ConnectionMisused):
        await caller.save(new_topic, noted())

    assert count(observer, new_topic) == 0


async def test_many_events_keep_their_order(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: several statements, one call. Method: 2,500 events, some with metadata."""
    events = [noted(place, **({"n": b"1"} if place % 7 == 0 else {})) for place in range(2500)]
    await caller.begin()
    stored = await caller.save_many(new_topic, events)
    await caller.commit()
    found = observer.execute(f"SELECT id, key FROM events.{new_topic} ORDER BY id").fetchall()

    assert [(event.id, event.key) for event in stored] == found
    assert [event.key for event in events] == [key for _, key in found]


async def test_metadata_arrives_as_it_was_given(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: bytes and absence. Method: save each way, with and without, and read the column."""
    await caller.begin()
    await caller.save(new_topic, noted(0, b=b"\0", a=b"1"))
    await caller.save(new_topic, noted())
    await caller.save_many(new_topic, [noted(), noted(0, c=b"")])
    await caller.commit()
    found = observer.execute(f"SELECT metadata FROM events.{new_topic} ORDER BY id").fetchall()

    assert [value and decode_metadata(value) for (value,) in found] == [
        {"a": b"1", "b": b"\0"},
        None,
        None,
        {"c": b""},
    ]


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


async def test_keys_of_every_type_come_back_as_they_were(
    caller: Caller, observer: Connection
) -> None:
    """Aim: the eight key types, one and many. Method: save each way in one transaction, read."""
    topics = {kind: f"t{uuid4().hex[:12]}_events" for kind in KEYS}
    for kind, topic in topics.items():
        create_topic(observer, topic, TopicOptions(key_type=kind))
    await caller.begin()
    for kind, topic in topics.items():
        for key in KEYS[kind]:
            await caller.save(topic, noted(key=key))
        await caller.save_many(topic, [noted(key=key) for key in KEYS[kind]])
    await caller.commit()
    found = {
        kind: observer.execute(f"SELECT key FROM events.{topic} ORDER BY id").fetchall()
        for kind, topic in topics.items()
    }

    assert found == {kind: [(key,) for key in keys * 2] for kind, keys in KEYS.items()}


async def test_a_table_that_was_replaced_is_noticed(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: memory of tables never misleads. Method: save often, replace it, go on."""
    for _ in range(2):
        await caller.begin()
        for _ in range(8):
            await caller.save(new_topic, noted())
        await caller.commit()
        observer.execute(f"DROP TABLE events.{new_topic}")
        create_topic(observer, new_topic, TopicOptions(key_type="text"))
        await caller.begin()
        with pytest.raises(WrongKeyType):
            await caller.save(new_topic, noted())
        await caller.save(new_topic, noted(key="text"))
        await caller.commit()
        observer.execute(f"DROP TABLE events.{new_topic}")
        create_topic(observer, new_topic)
    await caller.begin()

    assert (await caller.save(new_topic, noted())).id == 1


async def test_a_table_that_is_gone_fails_the_transaction_once(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: the caller is told to start over, and then why. Method: drop it between two saves."""
    await caller.begin()
    await caller.save(new_topic, noted())
    await caller.commit()
    observer.execute(f"DROP TABLE events.{new_topic}")
    await caller.begin()
    with pytest.raises(TableChanged):
        await caller.save(new_topic, noted())
    with pytest.raises(ConnectionMisused, match="has failed"):
        await caller.save(new_topic, noted())
    await caller.rollback()
    await caller.begin()
    with pytest.raises(UnknownTopic):
        await caller.save(new_topic, noted())


async def test_a_statement_prepared_before_a_change_is_told_and_renewed(
    caller: Caller, new_topic: str, observer: Connection
) -> None:
    """Aim: caches of statements. Method: save often, change the type of id, save, start over."""
    await caller.begin()
    for _ in range(8):
        await caller.save(new_topic, noted())
    await caller.commit()
    observer.execute(f"ALTER TABLE events.{new_topic} ALTER COLUMN id TYPE integer")
    await caller.begin()
    try:
        await caller.save(new_topic, noted())
    except TableChanged:
        await caller.rollback()
        await caller.begin()
        await caller.save(new_topic, noted())
    await caller.commit()

    assert count(observer, new_topic) == 9
