"""What goes wrong with one save, or with the table, leaves the others' answers true."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainstem.errors import (
    EventRefused,
    MainstemError,
    OutcomeUnknown,
    TransactionFailed,
    ValueOutOfRange,
)
from mainstem.event import Event, StoredEvent
from mainstem.postgres import PostgresEventStore, TopicOptions, create_topic, writing
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import event_type
from tests.postgres.conftest import count
from tests.postgres.crowd import CALLERS, Crowd, settled, until
from tests.postgres.payloads import Noted, noted
from tests.postgres.test_group_commit import (
    MakeCrowd,
    crowd,
    held,
    ledger_is_true,
    make_crowd,
    notes,
    waits_for_lock,
)

__all__ = ["crowd", "make_crowd"]

Connection = psycopg.Connection[Any]
LARGE_BYTES = 200_000

DROP = "RETURN CASE WHEN NEW.metadata IS NULL THEN NEW END"
REDIRECT = "INSERT INTO events.{topic}_old VALUES (NEW.*); RETURN NULL"
ROW_TRIGGER = """
    CREATE TABLE events.{topic}_old (LIKE events.{topic});
    CREATE FUNCTION events.take_{topic}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {body}; END $$;
    CREATE TRIGGER take BEFORE INSERT ON events.{topic}
    FOR EACH ROW EXECUTE FUNCTION events.take_{topic}();
"""


@event_type("com.example.postgres")
@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered:
    """A payload whose schema no registry takes."""

    text: str


class Away(MemoryRegistry):
    """A registry that fails for one class, by an error that is none of ours."""

    def register(self, subject: str, schema_text: str) -> int:
        """The id of the schema, unless it is that class's."""
        if subject.endswith("Unregistered"):
            raise RuntimeError("the registry is broken")
        return super().register(subject, schema_text)


def large(number: int) -> list[Event[Noted]]:
    """Events of which some twenty fill a statement."""
    return [Event(uuid4(), Noted(text="x" * LARGE_BYTES, count=n)) for n in range(number)]


@pytest.mark.parametrize("body", [DROP, REDIRECT], ids=["drops", "redirects"])
async def test_a_trigger_that_takes_rows_away_makes_no_answer_false(
    crowd: Crowd, new_topic: str, observer: Connection, body: str
) -> None:
    """Aim: nothing is saved twice, nothing is saved that was refused. Method: count all rows."""
    observer.execute(ROW_TRIGGER.format(topic=new_topic, body=body.format(topic=new_topic)))
    observer.execute(f"ALTER TABLE events.{new_topic} ALTER id TYPE bigint")
    # The store is to look at the table afresh: it was created before the trigger.
    crowd.store._saving._tables.clear()
    events = [*notes(30), noted(30, tag=b"1")]
    outcomes = await crowd.save(new_topic, events)
    elsewhere = observer.execute(f"SELECT count(*) FROM events.{new_topic}_old").fetchone()

    assert ledger_is_true(observer, new_topic, events, outcomes)
    assert elsewhere == (0,)
    saved = sum(isinstance(outcome, StoredEvent) for outcome in outcomes)
    assert saved == (30 if body is DROP else 0)
    assert all(isinstance(o, StoredEvent | EventRefused) for o in outcomes)


@pytest.mark.parametrize("error", ["server", "client"])
async def test_a_bad_event_among_large_ones_fails_alone(
    make_crowd: MakeCrowd, store_database: str, observer: Connection, error: str
) -> None:
    """Aim: several statements in one turn. Method: 60 events of 200 kB, and one that breaks it."""
    topic = f"t{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(key_type="text"))
    observer.execute(f"ALTER TABLE events.{topic} ADD CHECK (metadata IS NULL)")
    crowd = make_crowd(make_conninfo(store_database, client_encoding="LATIN1"))
    await crowd.save(topic, [noted(key="first")])
    events = [Event(str(n), event.payload) for n, event in enumerate(large(60))]
    bad = noted(key="bad", tag=b"1") if error == "server" else noted(key="€")
    outcomes = await crowd.save(topic, [*events[:40], bad, *events[40:]])

    assert isinstance(outcomes.pop(40), EventRefused if error == "server" else ValueOutOfRange)
    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes)
    assert ledger_is_true(observer, topic, events, outcomes)


async def test_a_registry_that_fails_for_one_class_fails_its_events_only(
    make_crowd: MakeCrowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: an error that is none of ours reaches its caller, and him alone. Method: a bad class."""
    crowd = make_crowd(store_database)
    crowd.store._wire._registry = Away()
    await crowd.save(new_topic, notes(1))
    strange = [Event(uuid4(), Unregistered(text="a")) for _ in range(3)]
    outcomes = await crowd.save(new_topic, [*notes(20), *strange])
    alone = await crowd.save(new_topic, strange * 3)

    assert [type(outcome) for outcome in outcomes[:20]] == [StoredEvent] * 20, outcomes
    assert [type(outcome) for outcome in outcomes[20:]] == [RuntimeError] * 3, outcomes
    assert {type(outcome) for outcome in alone} == {RuntimeError}
    assert count(observer, new_topic) == 21


async def test_a_table_altered_under_load_costs_nobody_his_save(
    crowd: Crowd, new_topic: str, observer: Connection
) -> None:
    """Aim: neither memory nor prepared statements go stale. Method: alter it between rounds."""
    observer.execute(f"ALTER TABLE events.{new_topic} ALTER id TYPE integer")
    for kind in ("bigint", "integer") * 3:
        futures = crowd.start(new_topic, notes(20))
        observer.execute(f"ALTER TABLE events.{new_topic} ALTER id TYPE {kind}")
        outcomes = await settled(futures)
        assert all(isinstance(outcome, StoredEvent) for outcome in outcomes), outcomes

    assert count(observer, new_topic) == 121


async def test_a_time_limit_is_told_to_all_at_once(
    make_crowd: MakeCrowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: no wait is multiplied by the callers. Method: count the waits for a held table."""
    crowd = make_crowd(make_conninfo(store_database, options="-c lock_timeout=200"))
    await crowd.save(new_topic, notes(2))
    loop = asyncio.get_running_loop()
    with held(store_database, new_topic):
        began_s = loop.time()
        outcomes = await crowd.save(new_topic, notes(CALLERS))
        took_s = loop.time() - began_s

    assert all(isinstance(outcome, TransactionFailed) for outcome in outcomes)
    # A statement each would take 12.8 s at least; it is two or three of them.
    assert took_s < 3
    assert count(observer, new_topic) == 2


async def test_those_that_wait_to_be_let_in_are_not_forgotten(
    crowd: Crowd, store_database: str, new_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: whoever leaves the queue makes room. Method: cancel all of a full one."""
    if crowd.lanes == 1:
        pytest.skip("threads cannot be cancelled")
    monkeypatch.setattr(writing, "WAITING_EVENTS_MAX", 5)
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, notes(5 + crowd.lanes))
        await until(lambda: crowd.waiting == 5)
        outside = crowd.start(new_topic, notes(3))
        for future in futures:
            future.cancel()
        await until(lambda: all(future.done() for future in futures))
    outcomes = await settled(outside)

    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes)


async def test_a_cancelled_loop_leaves_nobody_waiting(
    crowd: Crowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: what ends all tasks ends no store. Method: cancel its own task before its first step."""
    if crowd.lanes == 1:
        pytest.skip("threads cannot be cancelled")
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, notes(20))
        await until(lambda: waits_for_lock(observer, new_topic))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await until(lambda: all(future.done() for future in futures))
    after = await crowd.save(new_topic, notes(3))

    assert all(isinstance(outcome, StoredEvent) for outcome in after)


def test_an_interrupted_leader_leaves_nobody_waiting(
    sync_store: PostgresEventStore, new_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: each that shared its statement is told. Method: an interrupt while it writes."""
    sync_store.save(new_topic, noted())
    session = sync_store._writer._session
    run, writes, goes_on = session.run, threading.Event(), threading.Event()

    def interrupted(make_plan: Callable[[Any], Any]) -> Any:
        """The first write waits, the second is interrupted, all others go through."""
        if not writes.is_set():
            writes.set()
            goes_on.wait(20)
            return run(make_plan)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", interrupted)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(sync_store.save, new_topic, noted())
        assert writes.wait(20)
        others = [threads.submit(sync_store.save, new_topic, noted()) for _ in range(6)]
        while len(sync_store._writer._queue) < 6:
            threading.Event().wait(0.001)
        goes_on.set()
        errors = [type(other.exception(20)) for other in others]
        after = threads.submit(sync_store.save, new_topic, noted()).result(20)

    assert isinstance(first.result(), StoredEvent)
    assert (
        sorted(error.__name__ for error in errors) == ["KeyboardInterrupt"] + ["OutcomeUnknown"] * 5
    )
    assert isinstance(after, StoredEvent)


def test_a_store_closed_by_its_own_thread_closes_after_its_save(
    sync_store: PostgresEventStore, new_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: a signal handler may close the store. Method: close it inside of a save's own write."""
    sync_store.save(new_topic, noted())
    session = sync_store._writer._session
    run = session.run

    def closing(make_plan: Callable[[Any], Any]) -> Any:
        """As a handler would, in the middle of the write."""
        sync_store._writer.close()
        return run(make_plan)

    monkeypatch.setattr(session, "run", closing)
    stored = sync_store.save(new_topic, noted())
    with pytest.raises(MainstemError, match="closed"):
        sync_store.save(new_topic, noted())

    assert isinstance(stored, StoredEvent)
    assert session._cursor is not None
    assert session._cursor.connection.closed


def test_a_forked_process_saves_over_a_connection_of_its_own(
    sync_store: PostgresEventStore, new_topic: str, observer: Connection
) -> None:
    """Aim: servers that fork after the first save. Method: fork, save 200 on both sides."""
    sync_store.save(new_topic, noted())
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            for n in range(200):
                sync_store.save(new_topic, noted(n))
            os._exit(0)
        os._exit(1)
    stored = [sync_store.save(new_topic, noted(n)) for n in range(200)]
    _, status = os.waitpid(child, 0)
    keys = observer.execute(f"SELECT id, key FROM events.{new_topic}").fetchall()

    assert status == 0
    assert len(keys) == 401
    assert {(event.id, event.key) for event in stored} <= set(keys)


async def test_one_connection_is_enough_where_there_is_no_second(
    make_crowd: MakeCrowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: a limit of connections costs speed only. Method: a role that may have one."""
    role = f"one_{uuid4().hex[:8]}"
    observer.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
    crowd = make_crowd(make_conninfo(store_database, user=role))
    crowd.store._wire.prepare(Noted)
    # A superuser is not bound by a limit; an ordinary role is.
    observer.execute(f"ALTER ROLE {role} NOSUPERUSER CONNECTION LIMIT 1")
    observer.execute(f"GRANT USAGE ON SCHEMA events TO {role}")
    observer.execute(f"GRANT INSERT, SELECT ON events.{new_topic} TO {role}")
    observer.execute(f"GRANT USAGE ON SEQUENCE events.{new_topic}_id_seq TO {role}")
    try:
        outcomes = await crowd.save(new_topic, notes(CALLERS))
    finally:
        await crowd.close()
        observer.execute(f"DROP OWNED BY {role}")
        observer.execute(f"DROP ROLE {role}")

    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes)
    assert not any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes)
