"""Saves at the same time share a statement, and each has an outcome of its own, which is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from mainstem.errors import (
    ConnectionMisused,
    EventRefused,
    OutcomeUnknown,
    ServerUnavailable,
    TransactionFailed,
    UnknownTopic,
)
from mainstem.event import Event, StoredEvent
from mainstem.postgres import writing
from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.registry.memory import MemoryRegistry
from tests.postgres.conftest import count
from tests.postgres.crowd import CALLERS, Crowd, Outcome, settled, until
from tests.postgres.payloads import Noted, noted
from tests.postgres.proxy import Cut, Proxy

Connection = psycopg.Connection[Any]
MakeCrowd = Callable[[str], Crowd]


@pytest.fixture(params=["threads", "tasks"])
async def make_crowd(request: pytest.FixtureRequest) -> AsyncIterator[MakeCrowd]:
    """Makes a crowd at an address; each kind in turn."""
    crowds = []
    with ThreadPoolExecutor(CALLERS) as threads:

        def make(dsn: str) -> Crowd:
            kind = PostgresEventStore if request.param == "threads" else AsyncPostgresEventStore
            crowd = Crowd(kind.open(dsn, registry=MemoryRegistry()), threads)
            crowds.append(crowd)
            return crowd

        yield make
        for crowd in crowds:
            await crowd.close()


@pytest.fixture
async def crowd(make_crowd: MakeCrowd, store_database: str, new_topic: str) -> Crowd:
    """A crowd whose store has met the topic."""
    crowd = make_crowd(store_database)
    await crowd.save(new_topic, [noted(-1)])
    await crowd.connect()
    return crowd


@contextmanager
def held(store_database: str, topic: str) -> Iterator[None]:
    """Nobody can insert while this holds."""
    with psycopg.connect(store_database) as connection:
        connection.execute(f"LOCK TABLE events.{topic} IN SHARE MODE")
        yield


def notes(number: int = CALLERS) -> list[Event[Noted]]:
    """Events with a key and a count of their own."""
    return [noted(place) for place in range(number)]


def ledger_is_true(
    connection: Connection, topic: str, events: list[Event[Noted]], outcomes: list[Outcome]
) -> bool:
    """Whether what each caller was told is what the table holds."""
    rows = connection.execute(f"SELECT key, id FROM events.{topic}").fetchall()
    found: dict[Any, list[int]] = {}
    for key, id_ in rows:
        found.setdefault(key, []).append(id_)
    for event, outcome in zip(events, outcomes, strict=True):
        ids = found.get(event.key, [])
        if isinstance(outcome, StoredEvent):
            told = ids == [outcome.id]
        elif isinstance(outcome, OutcomeUnknown):
            told = len(ids) <= 1
        else:
            told = not ids
        if not told:
            return False
    return True


async def test_saves_at_once_share_commits(
    crowd: Crowd, new_topic: str, observer: Connection
) -> None:
    """Aim: fewer commits than saves, each with its own id. Method: count transactions."""
    events = notes()

    outcomes = await crowd.save(new_topic, events)
    commits = observer.execute(
        f"SELECT count(DISTINCT xmin::text) FROM events.{new_topic}"
    ).fetchone()

    assert commits is not None
    assert commits[0] < CALLERS / 2
    assert [outcome.payload.count for outcome in outcomes if isinstance(outcome, StoredEvent)] == [
        *range(CALLERS)
    ]
    assert ledger_is_true(observer, new_topic, events, outcomes)


async def test_those_that_wait_go_in_one_commit_in_their_order(
    crowd: Crowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: first come, first served. Method: hold the table, let them come, let go."""
    with held(store_database, new_topic):
        lone = crowd.start(new_topic, [noted(-2)] * crowd.lanes)
        await until(lambda: len(waiting_backends(observer, new_topic)) == crowd.lanes)
        futures: list[asyncio.Future[StoredEvent[Noted]]] = []
        for place in range(20):
            futures += crowd.start(new_topic, [noted(place)])
            await until(lambda place=place: crowd.waiting == place + 1)  # type: ignore[misc]  # bound now
    await settled(lone)
    stored = [outcome for outcome in await settled(futures) if isinstance(outcome, StoredEvent)]
    commits = observer.execute(
        f"SELECT count(DISTINCT xmin::text) FROM events.{new_topic} WHERE id >= %s",
        (min(event.id for event in stored),),
    ).fetchone()

    assert [event.payload.count for event in stored] == [*range(20)]
    assert commits is not None
    assert commits[0] < len(stored) / 2
    if crowd.lanes == 1:
        assert [event.id for event in stored] == sorted(event.id for event in stored)


@pytest.mark.parametrize("place", [0, 7, CALLERS - 1])
async def test_a_bad_event_fails_alone(
    crowd: Crowd, new_topic: str, observer: Connection, place: int
) -> None:
    """Aim: neither bad values nor bad rows touch the others. Method: a constraint and a bound."""
    observer.execute(f"ALTER TABLE events.{new_topic} ADD CHECK (metadata IS NULL)")
    events = notes()
    events[place] = noted(place, tag=b"1")
    events[place // 2 + 3] = noted(1 << 31)

    outcomes = await crowd.save(new_topic, events)

    refused = {n for n, outcome in enumerate(outcomes) if isinstance(outcome, EventRefused)}
    assert refused == {place, place // 2 + 3}
    assert sum(isinstance(outcome, StoredEvent) for outcome in outcomes) == CALLERS - 2
    assert ledger_is_true(observer, new_topic, events, outcomes)


async def test_topics_do_not_fail_each_other(
    crowd: Crowd, new_topic: str, observer: Connection
) -> None:
    """Aim: a topic that is not there fails alone. Method: save to two topics at once."""
    futures = crowd.start(new_topic, notes(20)) + crowd.start("nowhere_events", notes(20))
    outcomes = await settled(futures)

    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes[:20])
    assert all(isinstance(outcome, UnknownTopic) for outcome in outcomes[20:])
    assert len({id(outcome) for outcome in outcomes}) == 40
    assert count(observer, new_topic) == 21


async def test_the_queue_has_a_bound(
    crowd: Crowd,
    store_database: str,
    new_topic: str,
    observer: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Aim: back-pressure, and nobody is forgotten. Method: a bound of 5, and 40 callers."""
    monkeypatch.setattr(writing, "WAITING_EVENTS_MAX", 5)
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, notes(40))
        await until(lambda: crowd.waiting == 5)
        await until(lambda: waits_for_lock(observer, new_topic))
        waiting = crowd.waiting
    outcomes = await settled(futures)

    assert waiting == 5
    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes)
    assert count(observer, new_topic) == 41


async def test_close_finishes_what_was_accepted(
    crowd: Crowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: no accepted save is lost, no later one is let in. Method: close while they wait."""
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, notes(20))
        await until(lambda: crowd.waiting == 20 - crowd.lanes)
        closing = asyncio.ensure_future(crowd.close())
        await until(lambda: crowd.store._writer._closed)
        late = await crowd.save(new_topic, notes(1))
    outcomes = await settled(futures)
    await closing

    assert isinstance(late[0], ConnectionMisused)
    assert all(isinstance(outcome, StoredEvent) for outcome in outcomes)
    assert count(observer, new_topic) == 21


async def test_a_cancelled_task_takes_nobody_along(
    async_store: AsyncPostgresEventStore,
    store_database: str,
    new_topic: str,
    observer: Connection,
) -> None:
    """Aim: cancelling is safe for each place in the queue. Method: cancel every third of them."""
    crowd = Crowd(async_store, ThreadPoolExecutor(1))
    await crowd.save(new_topic, notes(1))
    await crowd.connect()
    events = notes(30)
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, events)
        await until(
            lambda: crowd.waiting == 30 - crowd.lanes and waits_for_lock(observer, new_topic)
        )
        for future in futures[::3]:
            future.cancel()
        await until(futures[0].done)
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    # Nothing waits and nobody is at work: the store goes on.
    await crowd.save(new_topic, notes(1))

    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [
        place % 3 == 0 for place in range(30)
    ]
    assert all(isinstance(outcomes[place], StoredEvent) for place in range(30) if place % 3)
    assert count(observer, new_topic) == 22


async def test_a_task_cancelled_in_the_shared_statement_takes_nobody_along(
    async_store: AsyncPostgresEventStore,
    store_database: str,
    new_topic: str,
    observer: Connection,
) -> None:
    """Aim: the others' statement goes on. Method: cancel some whose turn has come."""
    crowd = Crowd(async_store, ThreadPoolExecutor(1))
    await crowd.save(new_topic, notes(1))
    await crowd.connect()
    events = notes(30)
    with held(store_database, new_topic):
        lone = crowd.start(new_topic, notes(crowd.lanes))
        await until(lambda: len(waiting_backends(observer, new_topic)) == crowd.lanes)
        futures = crowd.start(new_topic, events)
        await until(lambda: crowd.waiting == 30)
        for future in lone:
            future.cancel()
        await until(lambda: crowd.waiting == 0)
        for future in futures[::2]:
            future.cancel()
    outcomes = await asyncio.gather(*lone, *futures, return_exceptions=True)

    assert sum(isinstance(outcome, StoredEvent) for outcome in outcomes) == 15
    # Whoever gave up while the statement ran may be saved all the same: all of them were.
    assert count(observer, new_topic) == 31


@pytest.mark.parametrize("cut", Cut)
async def test_a_connection_cut_around_the_commit_leaves_true_answers(
    make_crowd: MakeCrowd, store_database: str, new_topic: str, observer: Connection, cut: Cut
) -> None:
    """Aim: before or after the commit nobody can tell, so nobody is told more than is known.

    Method: a proxy cuts the connection before the statement arrives, or before its answer does.
    """
    with Proxy(store_database) as proxy:
        crowd = make_crowd(proxy.dsn)
        await crowd.save(new_topic, [noted(-1)])
        proxy.cut(cut, b"cut here")
        events = [*notes(40), Event(noted().key, Noted(text="cut here", count=1)), *notes(23)]
        outcomes = await crowd.save(new_topic, events)
        unknown = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, OutcomeUnknown)]
        again = await crowd.save(new_topic, notes())
    saved = observer.execute(
        f"SELECT count(*) FROM events.{new_topic} WHERE key = ANY (%s)",
        ([events[place].key for place in unknown],),
    ).fetchone()

    assert proxy.cuts == 1
    assert 40 in unknown
    assert saved == (0 if cut is Cut.BEFORE else len(unknown),)
    assert ledger_is_true(observer, new_topic, events, outcomes)
    assert all(isinstance(outcome, StoredEvent) for outcome in again)


async def test_a_connection_ended_by_the_server_leaves_true_answers(
    crowd: Crowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: killed while the statement runs. Method: end the backend that waits for the table."""
    events = notes()
    with held(store_database, new_topic):
        futures = crowd.start(new_topic, events)
        await until(lambda: crowd.waiting == CALLERS - crowd.lanes)
        await until(lambda: ended(observer, new_topic))
    outcomes = await settled(futures)

    assert sum(isinstance(outcome, OutcomeUnknown) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StoredEvent) for outcome in outcomes) == CALLERS - 1
    assert ledger_is_true(observer, new_topic, events, outcomes)


async def test_a_server_that_is_away_saves_nothing_and_says_so(
    make_crowd: MakeCrowd, store_database: str, new_topic: str
) -> None:
    """Aim: not saved is not unknown. Method: nothing listens at the address."""
    crowd = make_crowd(make_conninfo(store_database, port=1))

    outcomes = await crowd.save(new_topic, notes())

    assert all(isinstance(outcome, ServerUnavailable) for outcome in outcomes)
    assert not any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes)


SQLSTATES = {"53100": ServerUnavailable, "57014": TransactionFailed, "40001": TransactionFailed}


@pytest.mark.parametrize("sqlstate", SQLSTATES)
async def test_a_statement_that_the_server_gave_up_saved_nothing(
    crowd: Crowd, new_topic: str, observer: Connection, sqlstate: str
) -> None:
    """Aim: a full disk, a cancelled statement, a conflict. Method: a trigger raises each."""
    raising(observer, new_topic, sqlstate)
    events = notes()
    outcomes = await crowd.save(new_topic, events)
    observer.execute(f"DROP TRIGGER give_up ON events.{new_topic}")
    again = await crowd.save(new_topic, notes())

    assert all(isinstance(outcome, SQLSTATES[sqlstate]) for outcome in outcomes)
    assert not any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes)
    assert ledger_is_true(observer, new_topic, events, outcomes)
    assert all(isinstance(outcome, StoredEvent) for outcome in again)


async def test_a_statement_beyond_its_time_saved_nothing(
    make_crowd: MakeCrowd, store_database: str, new_topic: str, observer: Connection
) -> None:
    """Aim: PostgreSQL's own limit. Method: a statement_timeout of 100 ms, and a held table."""
    crowd = make_crowd(make_conninfo(store_database, options="-c statement_timeout=100"))
    await crowd.save(new_topic, notes(1))
    events = notes(10)
    with held(store_database, new_topic):
        outcomes = await crowd.save(new_topic, events)

    assert all(isinstance(outcome, TransactionFailed) for outcome in outcomes)
    assert ledger_is_true(observer, new_topic, events, outcomes)


def waits_for_lock(observer: Connection, topic: str) -> bool:
    """Whether an insert waits for the table."""
    return bool(waiting_backends(observer, topic))


def ended(observer: Connection, topic: str) -> bool:
    """Whether a backend that waited for the table is gone now."""
    return any(
        observer.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone()
        for pid in waiting_backends(observer, topic)[:1]
    )


def waiting_backends(observer: Connection, topic: str) -> list[int]:
    """The backends whose inserts wait for the table."""
    rows = observer.execute(
        "SELECT pid FROM pg_locks WHERE NOT granted AND relation = %s::regclass",
        (f"events.{topic}",),
    ).fetchall()
    return [int(pid) for (pid,) in rows]


def raising(observer: Connection, topic: str, sqlstate: str) -> None:
    """Let each insert fail with this SQLSTATE."""
    observer.execute(
        f"""
        CREATE FUNCTION events.give_up_{topic}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'given up' USING ERRCODE = '{sqlstate}'; END $$;
        CREATE TRIGGER give_up BEFORE INSERT ON events.{topic}
        FOR EACH STATEMENT EXECUTE FUNCTION events.give_up_{topic}();
        """
    )
