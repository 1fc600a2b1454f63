"""The life of an application on the real broker: begin, results, stop, and what ends it."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest
from confluent_kafka.admin import AdminClient

from mainstem.errors import (
    ConfigurationError,
    Refusal,
    StreamHalted,
    Superseded,
    UnknownTopic,
)
from mainstem.event import Event, StoredEvent
from mainstem.kafka import KafkaEventStore
from mainstem.kafka.topics import Topics
from mainstem.streams import DeadLetterTopic, StreamApp, Streams, stream_app
from mainstem.streams.keeping import STALE_S
from mainstem.streams.letters import FAILED_ERROR, FAILED_OFFSET, FAILED_TOPIC
from mainstem.streams.policy import STOP, Policy
from tests.streams.running import Running, counted, until
from tests.streams.shop import BigOrder, Counted, OrderPlaced

STOP_MAX_S = 2.0
SECRET = "4711-secret"  # It must not be seen anywhere.


def counting(name: str, source: str, out: str) -> StreamApp:
    """Counts the orders of each key."""

    @stream_app(name, key_type=str)
    def app(streams: Streams) -> None:
        streams.subscribe(source, OrderPlaced).apply(counted, stateful=True).to(out)

    return app


def picky(name: str, source: str, out: str, policy: Policy = STOP) -> StreamApp:
    """Counts the orders of each key, and fails at those of 13 cents after it has counted them."""

    @stream_app(name, key_type=str, on_error=policy)
    def app(streams: Streams) -> None:
        counts = streams.subscribe(source, OrderPlaced)
        counts.apply(counted, stateful=True).to(out)
        counts.update(refuse_unlucky)

    return app


def after_two(running: Running, log: KafkaEventStore, name: str, source: str) -> str:
    """The topic of the results, once two orders were counted and the application stopped."""
    out = f"{name}_out"
    log.save_many(source, orders_of("a", 1, 2))
    with running.store(counting(name, source, out)):
        running.wait_for(out, 2)
    return out


def refuse_unlucky(event: StoredEvent[OrderPlaced]) -> None:
    """Fail, with a message that holds what nobody should log."""
    if event.payload.cents == 13:
        raise ValueError(f"{SECRET} of {event.key!s}")


def orders_of(key: str, *cents: int) -> list[Event[OrderPlaced]]:
    """Orders of one key, so that they are in one partition."""
    return [Event(key, OrderPlaced("DE", each)) for each in cents]


def test_results_and_state_outlast_a_restart(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Stopped within two seconds, and counted on."""
    out = f"{name}_out"
    log.save_many(orders, orders_of("a", 1, 2, 3))
    with running.store(counting(name, orders, out)):
        first = running.wait_for(out, 3)
        stopped_s = time.monotonic()
    stopped_s = time.monotonic() - stopped_s
    log.save_many(orders, orders_of("a", 4))
    with running.store(counting(name, orders, out)):
        second = running.wait_for(out, 4)

    assert [event.payload for event in first] == [Counted(1), Counted(2), Counted(3)]
    assert second[-1].payload == Counted(4)
    assert {event.key for event in second} == {"a"}
    assert stopped_s < STOP_MAX_S


async def test_the_event_loop_goes_on_meanwhile(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """`async with` begins when it is at work, and nothing waits for it."""
    out = f"{name}_out"
    await asyncio.to_thread(log.save_many, orders, orders_of("a", 1))
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        loop.call_later(0.01, tick)

    loop = asyncio.get_running_loop()
    loop.call_later(0.01, tick)
    async with running.store(counting(name, orders, out)) as store:
        ready = store.ready
        await asyncio.to_thread(running.wait_for, out, 1)

    assert ready
    assert ticks > 50


def test_a_failing_function_stops_it_by_name(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Topic, partition, offset, class and line of the error; nothing of what it says."""
    log.save_many(orders, orders_of("a", 1, 13))
    store = running.store(picky(name, orders, f"{name}_out"))

    with pytest.raises(StreamHalted) as raised:
        store.run()

    assert f"{orders}[" in raised.value.message
    assert "]@1," in raised.value.message
    assert "ValueError at test_store.py:" in raised.value.message
    assert SECRET not in raised.value.message
    assert Counted(2) not in [event.payload for event in running.events(f"{name}_out")]


def test_poison_is_set_aside_and_leaves_no_trace(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """In the same transaction; what it had counted before it failed is undone."""
    out, dead = f"{name}_out", f"{name}_dead"
    log.save_many(orders, orders_of("a", 1, 13, 2, 13, 13, 3))
    with running.store(picky(name, orders, out, DeadLetterTopic(dead))):
        results = running.wait_for(out, 3)
        letters = running.messages(dead)
    headers = [dict(letter.headers or ()) for letter in letters]

    assert [event.payload for event in results] == [Counted(1), Counted(2), Counted(3)]
    assert [each[FAILED_OFFSET] for each in headers] == [b"1", b"3", b"4"]
    assert {each[FAILED_TOPIC] for each in headers} == {orders.encode()}
    assert {each[FAILED_ERROR] for each in headers} == {b"ValueError"}
    assert [letter.key for letter in letters] == [b"a"] * 3


def test_bytes_that_are_no_event_are_poison_too(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """They stop it with their place, and are set aside as they came."""
    from tests.kafka.publisher import Publisher  # noqa: PLC0415  # For this test alone.

    publisher = Publisher(running.settings.kafka)
    with publisher.transaction():
        publisher.publish_raw(orders, (b"a", b"rubbish", 1, ()), partition=0)
    log.save_many(orders, orders_of("a", 1))
    with pytest.raises(StreamHalted, match=rf"{orders}\[0\]@0,"):
        running.store(counting(name, orders, f"{name}_out")).run()

    policy = DeadLetterTopic(f"{name}_dead")
    with running.store(picky(name, orders, f"{name}_out", policy)):
        results = running.wait_for(f"{name}_out", 1)
        letters = running.messages(f"{name}_dead")

    assert [event.payload for event in results] == [Counted(1)]
    assert [letter.value for letter in letters] == [b"rubbish"]


def test_an_event_that_takes_too_long_is_named(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Kafka aborts a transaction in its time, and the event is to blame, not another process."""

    @stream_app(name, key_type=str)
    def slow(streams: Streams) -> None:
        dawdle = threading.Event()
        stream = streams.subscribe(orders, OrderPlaced).to(f"{name}_out")
        # Kafka's clock runs from the first message of a transaction.
        stream.update(lambda _: dawdle.wait(4))

    log.save_many(orders, orders_of("a", 1))
    with pytest.raises(Refusal) as raised:
        running.store(slow, transaction_timeout_s=1.0).run()

    assert raised.value.name == "stream-record-too-slow"
    assert f"{orders}[" in raised.value.message


def test_a_second_process_of_the_same_instance_takes_over(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """The first one ends as superseded, and no result is there twice."""
    out = f"{name}_out"
    log.save_many(orders, orders_of("a", 1))
    first = running.store(counting(name, orders, out)).start()
    first.wait_ready()
    running.wait_for(out, 1)
    elsewhere = running.settings.state_dir.with_name("elsewhere")
    with running.store(counting(name, orders, out), state_dir=elsewhere):
        # For both partitions: one that has nothing to commit does not notice.
        log.save_many(orders, [Event(key, OrderPlaced("DE", 2)) for key in "abcdefgh"])
        with pytest.raises(Superseded):
            first.wait()
        results = running.wait_for(out, 9)
    counts = sorted((event.key, event.payload.orders) for event in results)

    assert counts == sorted([("a", 1), ("a", 2), *((key, 1) for key in "bcdefgh")])


def test_a_lost_state_folder_is_restored(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """From the changelog, wherever the instance runs next."""
    out = after_two(running, log, name, orders)
    log.save_many(orders, orders_of("a", 3))
    elsewhere = running.settings.state_dir.with_name("elsewhere")
    with running.store(counting(name, orders, out), state_dir=elsewhere):
        results = running.wait_for(out, 3)

    assert results[-1].payload == Counted(3)


def test_state_of_another_version_is_restored_and_told(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """The stamp beside it says another format."""
    out = after_two(running, log, name, orders)
    stamp = running.settings.state_dir / name / "one" / "mainstem.json"
    stamp.write_text(stamp.read_text().replace('"format": 1', '"format": 0'))
    log.save_many(orders, orders_of("a", 3))
    with running.store(counting(name, orders, out)):
        results = running.wait_for(out, 3)

    assert results[-1].payload == Counted(3)
    assert any("another format" in note for note in running.heard.notes)


def test_state_that_missed_deletions_is_restored(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Nobody worked on it for longer than the changelog keeps what was deleted."""
    out = after_two(running, log, name, orders)
    folder = running.settings.state_dir / name / "one"
    stores = [path.parent for path in folder.rglob("CURRENT")]
    old_s = time.time() - STALE_S - 60
    for store in stores:
        for path in (store / "left", *store.iterdir()):
            path.touch()
            os.utime(path, (old_s, old_s))
    log.save_many(orders, orders_of("a", 3))
    with running.store(counting(name, orders, out)):
        results = running.wait_for(out, 3)

    assert stores
    assert [store / "left" for store in stores if (store / "left").exists()] == []
    assert results[-1].payload == Counted(3)


def test_a_lost_changelog_is_refused_by_name(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """State that nobody else has is gone: it is not begun anew in silence."""
    out = after_two(running, log, name, orders)
    admin = AdminClient(running.settings.kafka.config())
    changelogs = [each for each in admin.list_topics(timeout=10).topics if is_changelog(each, name)]
    for future in admin.delete_topics(changelogs).values():
        future.result(10)
    topics = Topics(running.settings.kafka)
    until(lambda: not topics.shapes(changelogs), "the changelog is gone")
    with pytest.raises(Refusal) as raised:
        running.store(counting(name, orders, out)).run()

    assert changelogs
    assert raised.value.name == "stream-topic-recreated"
    assert changelogs[0] in raised.value.message


def is_changelog(topic: str, app: str) -> bool:
    """Whether it is one of the application's."""
    return topic.startswith(f"changelog__{app}--")


def test_a_source_that_forgets_is_refused_unless_that_is_accepted(
    running: Running, log: KafkaEventStore, name: str
) -> None:
    """Kafka would delete replayed events, which are old, within minutes."""
    source, out = f"{name}_short", f"{name}_out"
    Topics(running.settings.kafka).create(source, {"retention.ms": "3600000"}, partitions=1)
    log.save_many(source, orders_of("a", 1))
    with pytest.raises(Refusal) as raised:
        running.store(counting(name, source, out)).run()
    with running.store(counting(name, source, out), accept_retention=True):
        results = running.wait_for(out, 1)

    assert raised.value.name == "stream-retention"
    assert source in raised.value.message
    assert results[0].payload == Counted(1)


def test_a_folder_of_something_else_is_left_alone(running: Running, name: str, orders: str) -> None:
    """A state folder that holds files of others is refused."""
    folder = running.settings.state_dir / name / "one"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")

    with pytest.raises(ConfigurationError, match=r"mainstem\.json"):
        running.store(counting(name, orders, f"{name}_out")).run()

    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_topic_that_is_not_there_is_named(running: Running, name: str) -> None:
    """Nobody creates a source by reading it."""
    with pytest.raises(UnknownTopic, match=f"{name}_nowhere"):
        running.store(counting(name, f"{name}_nowhere", f"{name}_out")).run()


def test_a_store_runs_once(running: Running, name: str) -> None:
    """A second run would mix two lives."""
    store = running.store(counting(name, f"{name}_nowhere", f"{name}_out"))
    with pytest.raises(UnknownTopic):
        store.run()

    with pytest.raises(ConfigurationError, match="runs once"):
        store.run()


def test_a_program_without_a_topic_is_refused(running: Running, name: str) -> None:
    """It would do nothing for ever."""

    @stream_app(name)
    def idle(streams: Streams) -> None:
        del streams

    with pytest.raises(ConfigurationError, match="subscribes to no topic"):
        running.store(idle).run()


def test_metadata_and_time_go_on_to_the_result(
    running: Running, log: KafkaEventStore, name: str, orders: str
) -> None:
    """Key, timestamp, and the correlation of the event that it comes from."""

    @stream_app(name, key_type=str)
    def big(streams: Streams) -> None:
        stream = streams.subscribe(orders, OrderPlaced)
        stream.apply(lambda event: BigOrder(event.payload.cents / 100)).to(f"{name}_out")

    saved = log.save(orders, Event("a", OrderPlaced("DE", 5), metadata={"correlation_id": b"7"}))
    with running.store(big):
        result = running.wait_for(f"{name}_out", 1)[0]

    assert (result.key, result.payload) == ("a", BigOrder(0.05))
    assert result.timestamp == saved.timestamp
    assert dict(result.metadata) == {"correlation_id": b"7"}
