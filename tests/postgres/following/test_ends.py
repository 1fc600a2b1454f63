"""However a following ends, nothing is left behind; what ends it is told with the way on."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from mainstem.errors import MainstemError, ServerUnavailable
from mainstem.postgres.following import batches
from mainstem.postgres.following.faces import AsyncFollowing, Following
from tests.postgres.following.conftest import Field, until

ROOT = Path(__file__).parents[3]
SENDER_TIMEOUT_S = 0.8

VICTIM = """
import sys
from mainstem.postgres.following.batches import Request
from mainstem.postgres.following.faces import Following
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import Wire
following = Following(Request(sys.argv[1], sys.argv[2], None, Wire(MemoryRegistry()).unpack))
print("begun", flush=True)
next(following)
"""
"""A program that follows until it is killed."""


def gone(field: Field) -> None:
    """Wait until no follower's slot and session is left."""
    until(lambda: field.temporary_slots() == 0 and walsenders(field) == 0)


def walsenders(field: Field) -> int:
    """Replication connections to the test's database."""
    row = field.connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'walsender' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def leave_the_loop(field: Field) -> None:
    """Break out of a for loop that alone holds the following."""
    for _ in Following(field.request(0)):
        break


def leave_the_block(field: Field) -> None:
    """Leave a with block."""
    with Following(field.request()) as following:
        field.insert()
        next(following)


def close_twice(field: Field) -> None:
    """Close, and close again; nothing comes any more."""
    following = Following(field.request(0))
    next(following)
    following.close()
    following.close()
    assert list(following) == []


def drop_it(field: Field) -> None:
    """Forget it before its first event."""
    Following(field.request())
    gc.collect()


def raise_inside(field: Field) -> None:
    """An error of the consumer's own."""
    with suppress(ZeroDivisionError), Following(field.request(0)) as following:
        for _ in following:
            raise ZeroDivisionError


@pytest.mark.parametrize(
    "leave", [leave_the_loop, leave_the_block, close_twice, drop_it, raise_inside]
)
def test_whoever_leaves_leaves_nothing(field: Field, leave: Callable[[Field], None]) -> None:
    """Whatever way a consumer leaves by, slot and session are gone."""
    field.insert(3)
    leave(field)

    gone(field)


def test_another_thread_may_close_it(field: Field) -> None:
    """A thread waits for an event that never comes; another one closes: the loop ends."""
    following = Following(field.request())
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.extend(following))
    thread.start()
    until(lambda: streaming(field))
    following.close()
    thread.join(10)

    assert not thread.is_alive()
    assert seen == []
    gone(field)


def streaming(field: Field) -> bool:
    """Whether a follower's slot is being read."""
    return bool(
        field.connection.execute(
            "SELECT 1 FROM pg_stat_replication JOIN pg_stat_activity USING (pid)"
            " WHERE datname = current_database() AND pg_stat_replication.state = 'streaming'"
        ).fetchone()
    )


async def test_closing_does_not_wait_for_other_transactions(field: Field) -> None:
    """A slot waits for each open transaction to end; closing gives the wait up at once."""
    with psycopg.connect(field.database_url) as other:
        field.insert(connection=other)
        following = AsyncFollowing(field.request())
        waiting = asyncio.create_task(anext(following))
        await asyncio.to_thread(until, lambda: walsenders(field) == 1)
        await asyncio.to_thread(until, lambda: field.temporary_slots() == 1)
        await asyncio.wait_for(following.aclose(), 10)
        with pytest.raises(StopAsyncIteration):
            await waiting

    gone(field)


async def test_a_cancelled_wait_loses_nothing(field: Field) -> None:
    """The task that waits is cancelled before the event comes: the next one gets it."""
    async with AsyncFollowing(field.request()) as following:
        waiting = asyncio.create_task(anext(following))
        await asyncio.to_thread(until, lambda: streaming(field))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (id_,) = field.insert()
        event = await anext(following)

    assert event.id == id_
    gone(field)


async def test_leaving_an_asynchronous_loop_leaves_nothing(field: Field) -> None:
    """Broken out of without a block: dropping it ends its session."""
    field.insert(3)
    async for _ in AsyncFollowing(field.request(0)):
        break
    gc.collect()

    await asyncio.to_thread(gone, field)


async def test_closing_it_twice_is_fine(field: Field) -> None:
    """Before it began, too."""
    following = AsyncFollowing(field.request())
    await following.aclose()
    await following.aclose()

    with pytest.raises(StopAsyncIteration):
        await anext(following)


def test_a_killed_process_leaves_nothing(field: Field) -> None:
    """SIGKILL: PostgreSQL itself drops the slot."""
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM, field.database_url, field.topic],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as victim:
        assert victim.stdout is not None
        victim.stdout.readline()
        there = field.temporary_slots()
        victim.send_signal(signal.SIGKILL)

    assert there == 1
    gone(field)


def test_a_lost_connection_is_told_with_the_last_position(field: Field) -> None:
    """The walsender is ended under it: ServerUnavailable names where to go on, and that works."""
    field.anchor()
    following = field.follow()
    field.insert()
    position = next(following).position
    field.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'walsender' AND datname = current_database()"
    )
    with pytest.raises(ServerUnavailable) as caught:
        next(following)
    (later,) = field.insert()

    assert str(position) in caught.value.message
    assert next(field.follow(position)).id == later


def test_a_server_that_is_away_is_told(field: Field) -> None:
    """Nothing listens there: ServerUnavailable at once."""
    request = field.request()
    nowhere = "postgresql://postgres@127.0.0.1:1/nothing"

    with pytest.raises(ServerUnavailable):
        Following(batches.Request(nowhere, request.topic, None, request.unpack))


def test_a_slow_consumer_is_not_taken_for_dead(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works on one event for several times the server's patience: the next one comes still."""
    monkeypatch.setattr(batches, "SENDER_TIMEOUT_S", SENDER_TIMEOUT_S)
    following = field.follow()
    field.insert()
    next(following)
    (second,) = field.insert()
    until(lambda: heard_for_s(field) > 3 * SENDER_TIMEOUT_S)

    assert next(following).id == second


def heard_for_s(field: Field) -> float:
    """For how long the server has heard of the follower, counted from its connection on."""
    row = field.connection.execute(
        "SELECT extract(epoch FROM reply_time - pg_stat_replication.backend_start)::float8"
        " FROM pg_stat_replication JOIN pg_stat_activity USING (pid)"
        " WHERE datname = current_database()"
    ).fetchone()
    assert row is not None, "the server ended the follower"
    return float(row[0] or 0)


def test_what_was_read_is_not_kept_by_the_server(field: Field) -> None:
    """The slot moves along with the reading, and with WAL that is not of the topic."""
    following = field.follow()
    field.insert(2)
    list(islice(following, 2))
    field.connection.execute("CREATE TABLE bulk AS SELECT generate_series(1, 50000) AS n")
    row = field.connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert row is not None
    field.insert()
    next(following)
    field.insert()
    next(following)

    until(lambda: confirmed_beyond(field, row[0]))


def confirmed_beyond(field: Field, lsn: str) -> bool:
    """Whether the follower's slot lets go what lies below the LSN."""
    row = field.connection.execute(
        "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots"
        " WHERE temporary AND database = current_database()",
        (lsn,),
    ).fetchone()
    return bool(row and row[0])


def test_errors_are_of_the_tree(field: Field) -> None:
    """A topic that cannot be a name is refused before anything is connected."""
    with pytest.raises(MainstemError):
        Following(field.request(topic="No Such"))
