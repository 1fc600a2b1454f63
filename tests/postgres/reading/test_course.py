"""Courses and folds: topics merged by time, and the state that a stream adds up to."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import ConfigurationError, DecodeError, UnknownTopic
from mainstem.event import Event, StoredEvent
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.reading.course import Lane, merged
from mainstem.postgres.topics import create_topic
from tests.postgres.payloads import Noted, noted
from tests.postgres.reading.conftest import ReadingFace, table_made
from tests.postgres.reading.payloads import Counted

Connection = psycopg.Connection[Any]
Fill = Callable[..., list[int]]

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = "key uuid, metadata bytea, timestamp timestamptz NOT NULL"


def at(seconds: int, topic: str = "", id_: int = 0) -> StoredEvent[Any]:
    """An event of this moment."""
    moment = START + timedelta(seconds=seconds)
    return StoredEvent("k", Counted(amount=seconds), moment, topic=topic, id=id_)


def place(event: StoredEvent[Any]) -> tuple[str, int]:
    """Where it stands."""
    return event.topic, event.id


@pytest.fixture
def family(observer: Connection) -> tuple[str, list[str]]:
    """A pattern and the two topics that it means."""
    prefix = f"m{uuid4().hex[:10]}"
    topics = [f"{prefix}_a_events", f"{prefix}_b_events"]
    for topic in topics:
        create_topic(observer, topic)
    return f"{prefix}_*", topics


@given(
    seconds=st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=4),
    page=st.integers(1, 5),
)
def test_pages_of_any_size_merge_as_whole_lists_do(seconds: list[list[int]], page: int) -> None:
    """Aim: where a page ends makes no difference. Method: against heapq.merge of the lists."""
    waiting = [
        [at(second, f"t{lane}", number) for number, second in enumerate(times)]
        for lane, times in enumerate(seconds)
    ]
    # Lists that are not in order of time: the head of each decides, as it does in heapq.merge.
    whole = list(heapq.merge(*waiting, key=lambda event: (event.timestamp, event.topic)))
    lanes = [Lane(f"t{number}", None) for number in range(len(waiting))]
    found: list[StoredEvent[Any]] = []
    while not all(lane.ended and not lane.events for lane in lanes):
        for lane, rest in zip(lanes, waiting, strict=True):
            if not lane.events and not lane.ended:
                lane.events.extend(rest[:page])
                del rest[:page]
                lane.ended = not rest
        found += merged(lanes, None)

    assert [place(event) for event in found] == [place(event) for event in whole]


async def test_topics_of_a_pattern_come_by_time(
    reading: ReadingFace, family: tuple[str, list[str]], fill: Fill
) -> None:
    """Aim: one stream from two tables, and from any place in it. Method: times that interleave."""
    pattern, (a, b) = family
    key = uuid4()
    first = fill(a, [Event(key, Counted(amount=n), START + timedelta(seconds=n)) for n in (0, 3)])
    other = fill(b, [Event(key, Counted(amount=n), START + timedelta(seconds=n)) for n in (1, 3)])

    everything = await reading.read_all(pattern)
    rest = await reading.read_all(pattern, after={a: first[0], b: other[0]})
    one = await reading.read_all(pattern, limit=1)

    assert [event.payload.amount for event in everything] == [0, 1, 3, 3]
    assert [event.topic for event in everything] == [a, b, a, b]
    assert [place(event) for event in rest] == [(a, first[1]), (b, other[1])]
    assert [place(event) for event in one] == [(a, first[0])]


async def test_a_pattern_that_means_what_is_no_topic_is_refused(
    reading: ReadingFace, family: tuple[str, list[str]], observer: Connection
) -> None:
    """Aim: no table is left out silently. Method: a table of another shape, a strange name."""
    pattern, _ = family
    observer.execute(f"CREATE TABLE events.{pattern[:-1]}z_list (name text)")

    with pytest.raises(ConfigurationError, match="_z_list"):
        await reading.read_all(pattern)
    with pytest.raises(ConfigurationError, match="absent_events"):
        await reading.read_all(f"{pattern[:-1]}?_events", after={"absent_events": 1})
    with pytest.raises(UnknownTopic):
        await reading.read_all("nothing_*")


async def test_damage_in_one_topic_ends_the_merged_stream_with_its_name(
    reading: ReadingFace, observer: Connection, fill: Fill
) -> None:
    """Aim: as for one topic. Method: a damaged row in the second of two tables."""
    topic = table_made(observer, PLAIN)
    key = uuid4()
    good, bad = fill(topic, [Event(key, Counted(amount=n), START) for n in range(2)])
    observer.execute(f"UPDATE events.{topic} SET data = '\\x00' WHERE id = {bad}")
    iterator = reading.store.read_all(f"{topic[:-1]}[s]")

    assert (await reading.next(iterator)).id == good
    with pytest.raises(DecodeError, match=f"event {bad} of {topic} "):
        await reading.next(iterator)


@pytest.mark.parametrize("versioned", [False, True])
async def test_a_stream_folds_to_its_state(
    reading: ReadingFace, observer: Connection, fill: Fill, *, versioned: bool
) -> None:
    """Aim: state, version and last id. Method: three events, of which a versioned topic has 7-9."""
    topic = f"f{uuid4().hex[:12]}_events"
    create_topic(observer, topic, TopicOptions(versioned=versioned))
    key = uuid4()
    if versioned:
        observer.execute(f"ALTER TABLE events.{topic} ALTER version SET DEFAULT 0")
        observer.execute(f"CREATE SEQUENCE events.{topic}_seven START 7")
        observer.execute(
            f"ALTER TABLE events.{topic} ALTER version SET DEFAULT nextval('events.{topic}_seven')"
        )
    written = fill(topic, [Event(key, Counted(amount=n), START) for n in (1, 20, 300)])

    full = await reading.load(topic, key, summed, 0)
    empty = await reading.load(topic, uuid4(), summed, 0)

    assert (full.state, full.version, full.last_id) == (321, 9 if versioned else 3, written[-1])
    assert (empty.state, empty.version, empty.last_id) == (0, 0, None)


def summed(state: int, event: StoredEvent[Any]) -> int:
    """The sum of the amounts."""
    return state + int(event.payload.amount)


async def test_what_evolve_raises_reaches_the_caller(
    reading: ReadingFace, new_topic: str, fill: Fill
) -> None:
    """Aim: the store stays usable. Method: raise in evolve, then load again."""
    key = uuid4()
    fill(new_topic, [Event(key, Counted(amount=1), START)])

    with pytest.raises(ZeroDivisionError):
        await reading.load(new_topic, key, lambda _state, _event: 1 // 0, 0)
    assert (await reading.load(new_topic, key, summed, 0)).state == 1


async def test_a_pattern_with_filters_finds_what_is_rare(
    reading: ReadingFace, family: tuple[str, list[str]], fill: Fill
) -> None:
    """Aim: pages without a wanted event are no end. Method: one note behind many counts."""
    pattern, (a, b) = family
    key = uuid4()
    fill(a, [Event(key, Counted(amount=n), START) for n in range(1100)])
    (rare,) = fill(b, [noted(1, key=key)])
    (last,) = fill(a, [noted(2, key=key)])

    found = await reading.read_all(pattern, types=[Noted])

    assert {place(event) for event in found} == {(a, last), (b, rare)}
