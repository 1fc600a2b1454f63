"""Waiting on real servers: who has waited sees what was saved, and nobody waits in vain."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mainstem.errors import (
    ConfigurationError,
    ConnectionMisused,
    DecodeError,
    Retry,
    ServerUnavailable,
)
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres import AsyncPostgresEventStore, PostgresEventStore
from mainstem.postgres.tokens import Token
from mainstem.projection.waiting import (
    AsyncProjectionWaiter,
    NotCaughtUp,
    ProjectionHalted,
    ProjectionWaiter,
)
from tests.projection.waiting.scene import Happened, Scene

pytestmark = pytest.mark.stack

TIMEOUT_S = 20.0
SHORT_S = 0.2


def opened(scene: Scene) -> PostgresEventStore:
    """A store on the scene's database."""
    return PostgresEventStore.open(scene.database_url, types=[Happened])


def waiter_of(scene: Scene) -> ProjectionWaiter:
    """A waiter for the scene's projection."""
    return ProjectionWaiter(scene.projection, scene.database_url, scene.kafka, line=scene.line)


def test_who_has_waited_sees_what_was_saved(flowing: Scene) -> None:
    """Fifty times: save, take a token, wait, and read: the row is there, and tokens ascend."""
    tokens, seen = [], []
    with opened(flowing) as store, waiter_of(flowing) as waiter:
        for _ in range(50):
            event = flowing.event()
            store.save(flowing.topic, event)
            tokens.append(store.token())
            waiter.wait_for(tokens[-1], timeout=TIMEOUT_S)
            seen.append(flowing.has_seen(event))

    assert all(seen)
    assert tokens == sorted(set(tokens))


async def test_it_goes_for_asyncio_too(flowing: Scene) -> None:
    """As above, and the token travels as text."""
    seen = []
    async with (
        AsyncPostgresEventStore.open(flowing.database_url, types=[Happened]) as store,
        AsyncProjectionWaiter(
            flowing.projection, flowing.database_url, flowing.kafka.bootstrap, line=flowing.line
        ) as waiter,
    ):
        for _ in range(50):
            event = flowing.event()
            await store.save(flowing.topic, event)
            await waiter.wait_for(str(await store.token()), timeout=TIMEOUT_S)
            seen.append(flowing.has_seen(event))

    assert all(seen)


def test_many_wait_at_the_same_time(flowing: Scene) -> None:
    """Twelve threads share a waiter while they save; each sees its own events."""

    def visit(_: int) -> bool:
        event = flowing.event()
        store.save(flowing.topic, event)
        waiter.wait_for(store.token(), timeout=TIMEOUT_S)
        return flowing.has_seen(event)

    with opened(flowing) as store, waiter_of(flowing) as waiter, ThreadPoolExecutor(12) as pool:
        seen = list(pool.map(visit, range(120)))

    assert all(seen)


def test_an_idle_line_is_not_waited_for_until_its_heartbeat(flowing: Scene) -> None:
    """Five tokens without an event between them take less than one heartbeat of five seconds."""
    began_s = time.monotonic()
    with opened(flowing) as store, waiter_of(flowing) as waiter:
        for _ in range(5):
            waiter.wait_for(store.token(), timeout=TIMEOUT_S)

    assert time.monotonic() - began_s < flowing.heartbeat_s


def test_a_token_lies_behind_the_callers_commits_and_before_its_own(flowing: Scene) -> None:
    """Compare with the positions of the WAL around it."""
    with opened(flowing) as store:
        store.save(flowing.topic, flowing.event())
        ((before,),) = flowing.execute("SELECT pg_current_wal_insert_lsn()::text")
        token = store.token()
        ((after,),) = flowing.execute("SELECT pg_current_wal_insert_lsn()::text")

    assert Token.parse(before) <= token < Token.parse(after)
    assert Token.parse(str(token)) == token


def test_a_projection_that_stands_still_is_told_after_the_timeout(scene: Scene) -> None:
    """Hold the projector: the wait fails, the error says where; then go on, and it is reached.

    A token that was reached before stays so meanwhile, and costs no look at anything.
    """
    scene.replicate()
    hand = scene.project_by_hand()
    with opened(scene) as store, waiter_of(scene) as waiter:
        store.save(scene.topic, scene.event())
        waiter.wait_for(early := store.token(), timeout=TIMEOUT_S)
        hand.hold()
        event = scene.event()
        store.save(scene.topic, event)
        token = store.token()
        waiter.wait_for(early, timeout=0)
        with pytest.raises(NotCaughtUp, match=f"{scene.group} is .* behind in {scene.topic}"):
            waiter.wait_for(token, timeout=5 * SHORT_S)
        hand.let_go()
        waiter.wait_for(token, timeout=TIMEOUT_S)

        assert scene.has_seen(event)


def test_a_projection_that_halted_is_not_waited_for(scene: Scene) -> None:
    """It stopped at an event before the token: the error comes at once, and asks for a person."""
    scene.replicate()
    scene.halt()
    with opened(scene) as store, waiter_of(scene) as waiter:
        waiter.wait_for(store.token(), timeout=TIMEOUT_S)
        store.save(scene.topic, scene.event())
        scene.execute(
            'INSERT INTO _mainstem.projection_offsets ("group", topic, "partition", topic_id)'
            " SELECT %s, %s, n, '' FROM generate_series(0, 1) n",
            scene.group,
            scene.topic,
        )
        with pytest.raises(ProjectionHalted, match="halted there by ValueError") as caught:
            waiter.wait_for(store.token(), timeout=TIMEOUT_S)

    assert caught.value.retry is Retry.OPERATOR


def test_offsets_in_a_table_of_the_originals_form_are_read(scene: Scene) -> None:
    """The projection keeps them in events.topic_offsets, where the Java original would."""
    scene.execute(
        "CREATE TABLE events.topic_offsets"
        ' (topic text, "partition" integer, "offset" bigint, PRIMARY KEY (topic, "partition"))'
    )
    scene.projection.offsets = "events.topic_offsets"
    scene.replicate()
    with opened(scene) as store, waiter_of(scene) as waiter:
        store.save(scene.topic, scene.event())
        token = store.token()
        with pytest.raises(NotCaughtUp):
            waiter.wait_for(token, timeout=5 * SHORT_S)
        scene.execute(
            "INSERT INTO events.topic_offsets SELECT %s, n, 0 FROM generate_series(0, 1) n",
            scene.topic,
        )

        waiter.wait_for(token, timeout=TIMEOUT_S)


def test_a_database_without_the_table_of_offsets_is_told(scene: Scene) -> None:
    """It was never migrated, or is not the projection's: say what to do."""
    scene.replicate()
    scene.execute("DROP TABLE _mainstem.projection_offsets")
    raises = pytest.raises(ConfigurationError, match=scene.group)
    with opened(scene) as store, waiter_of(scene) as waiter, raises as caught:
        waiter.wait_for(store.token(), timeout=TIMEOUT_S)

    assert "mainstem migrate" in caught.value.hint


def test_without_a_replicator_the_error_says_so(scene: Scene) -> None:
    """No line carries the topic."""
    with opened(scene) as store, waiter_of(scene) as waiter:
        expected = f"line {scene.line} does not carry {scene.topic} yet"
        with pytest.raises(NotCaughtUp, match=expected) as caught:
            waiter.wait_for(store.token(), timeout=SHORT_S)

    assert caught.value.retry is Retry.LATER
    assert "mainstem replicate" in caught.value.hint


def test_servers_that_are_away_are_told(flowing: Scene) -> None:
    """PostgreSQL at once; Kafka, which may come back, with the time that is up."""
    nowhere = "127.0.0.1:1"
    without_database = ProjectionWaiter(
        flowing.projection, f"postgresql://{nowhere}/none", flowing.kafka, line=flowing.line
    )
    without_kafka = ProjectionWaiter(flowing.projection, flowing.database_url, nowhere)
    with opened(flowing) as store, without_database, without_kafka:
        token = store.token()
        with pytest.raises(ServerUnavailable):
            without_database.wait_for(token, timeout=TIMEOUT_S)
        with pytest.raises(NotCaughtUp, match="Kafka has not told"):
            without_kafka.wait_for(token, timeout=SHORT_S)


def test_without_anybody_who_waits_nothing_is_kept_open(
    flowing: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread of the waiter ends, with its connections; the next token starts another one."""
    monkeypatch.setattr("mainstem.projection.waiting.watch.IDLE_S", 0.01)
    others = set(threading.enumerate())
    with opened(flowing) as store, waiter_of(flowing) as waiter:
        for _ in range(2):
            waiter.wait_for(store.token(), timeout=TIMEOUT_S)
            for thread in set(threading.enumerate()) - others:
                if thread.name == "mainstem-waiter":
                    thread.join(TIMEOUT_S)
                    assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_waits_for_itself(flowing: Scene) -> None:
    """Servers fork after the application was loaded: the child waits, and the parent goes on."""
    with opened(flowing) as store, waiter_of(flowing) as waiter:
        waiter.wait_for(store.token(), timeout=TIMEOUT_S)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                waiter.wait_for(store.token(), timeout=TIMEOUT_S)
                status = 0
            finally:
                os._exit(status)
        waiter.wait_for(store.token(), timeout=TIMEOUT_S)

        assert os.waitpid(child, 0)[1] == 0


async def test_a_waiter_that_is_closed_lets_nobody_wait(scene: Scene) -> None:
    """Those who wait fail at once, later ones too; closing again is fine."""
    waiter = waiter_of(scene)
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            waiter.wait_for(Token(2**60), timeout=TIMEOUT_S)
        except ConnectionMisused as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    waiter.close()
    waiter.close()
    thread.join(TIMEOUT_S)
    asynchronous = AsyncProjectionWaiter(scene.projection, scene.database_url, scene.kafka)
    await asynchronous.close()

    assert [type(each) for each in failures] == [ConnectionMisused]
    with pytest.raises(ConnectionMisused, match="closed"):
        await asynchronous.wait_for(Token(1))


def test_what_cannot_be_waited_for_is_refused(kafka: KafkaSettings) -> None:
    """No projection at all, and a text that is no token: nothing is connected for them."""
    with pytest.raises(ConfigurationError):
        ProjectionWaiter([], "postgresql:///none", kafka)
    with pytest.raises(DecodeError, match="no token"):
        Token.parse("yesterday")
