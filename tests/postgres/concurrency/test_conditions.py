"""append_condition: a save that stands only if nothing fitting came since its decision."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from mainstem.errors import (
    ConcurrencyConflict,
    ConfigurationError,
    ConnectionMisused,
    TransactionFailed,
    WrongKeyType,
)
from mainstem.event import Event
from mainstem.postgres.concurrency import conditions
from mainstem.postgres.concurrency.conditions import Query, key_mark, wanted_locks
from mainstem.postgres.concurrency.judging import Item
from mainstem.postgres.concurrency.statements import Draft, Sought
from mainstem.postgres.statements import Row
from mainstem.terms import AppendCondition, EventQuery
from tests.postgres.concurrency.conftest import Hand, Hands, made
from tests.postgres.conftest import count
from tests.postgres.payloads import Noted, noted

Connection = psycopg.Connection[Any]
NAME = "com.example.postgres.Noted"


@pytest.fixture(params=[{}, {"versioned": True, "idempotent": True}], ids=["plain", "strict"])
def any_topic(request: pytest.FixtureRequest, observer: Connection) -> str:
    """A topic of the original shape, and one with everything."""
    return made(observer, **request.param)


KEY = UUID(int=5)
FITTING = [
    EventQuery(key=KEY),
    EventQuery(types=(Noted,)),
    EventQuery(types=("com.example.Other", NAME)),
    EventQuery(metadata={"user": b"ada"}),
    EventQuery(key=KEY, types=(Noted,), metadata={"user": b"ada", "": b""}),
    EventQuery(),
]
NOT_FITTING = [
    EventQuery(key=UUID(int=6)),
    EventQuery(types=("com.example.Other",)),
    EventQuery(metadata={"user": b"bob"}),
    EventQuery(metadata={"user": b"ada", "role": b"x"}),
    # The bytes of this entry stand in the column, inside another one's value.
    EventQuery(metadata={"a": b"b"}),
    EventQuery(key=KEY, metadata={"user": b"bob"}),
]


def marked() -> Event[Noted]:
    """An event that the queries above are about."""
    return tagged({"user": b"ada", "trap": b"\x02a\x02b", "": b""}, KEY)


def tagged(metadata: dict[str, bytes], key: UUID | None = None) -> Event[Noted]:
    """An event with any metadata."""
    return Event(key or uuid4(), Noted(text="", count=0), metadata=metadata)


@pytest.mark.parametrize("query", FITTING)
def test_an_event_that_fits_is_a_conflict(
    hand: Hand, other: Hand, any_topic: str, query: EventQuery
) -> None:
    """Aim: each part of a query counts. Method: decide, let another one save, then save."""
    decision = hand.query(any_topic, query)
    other.save(any_topic, marked())

    with pytest.raises(ConcurrencyConflict, match="append_condition") as caught:
        hand.save(any_topic, noted(), append_condition=decision.condition)

    again = hand.query(any_topic, query)
    stored = hand.save_many(any_topic, [marked(), noted()], append_condition=again.condition)
    hand.commit()
    assert decision.events == ()
    assert caught.value.expected is caught.value.actual is None
    assert [event.payload for event in again.events] == [marked().payload]
    assert len(stored) == 2


@pytest.mark.parametrize("query", NOT_FITTING)
def test_an_event_that_does_not_fit_is_none(
    hand: Hand, other: Hand, any_topic: str, query: EventQuery
) -> None:
    """Aim: no conflict by likeness. Method: queries that differ by one part."""
    decision = hand.query(any_topic, query)
    other.save(any_topic, marked())

    hand.save(any_topic, noted(), append_condition=decision.condition)

    assert hand.query(any_topic, query).events == ()


def test_what_the_decision_knew_is_no_conflict(
    hand: Hand, any_topic: str, observer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: only what came since counts, page by page. Method: more events than a page holds."""
    monkeypatch.setattr(conditions, "PAGE_ROWS_MAX", 4)
    query = EventQuery(types=(Noted,), metadata={"user": b"ada"})
    hand.save_many(any_topic, [marked() for _ in range(9)])

    decision = hand.query(any_topic, query)
    hand.save_many(any_topic, [noted()] * 6)
    hand.save(any_topic, marked(), append_condition=decision.condition)
    with pytest.raises(ConcurrencyConflict):
        hand.save(any_topic, marked(), append_condition=decision.condition)
    hand.commit()

    assert [event.id for event in decision.events] == list(range(1, 10))
    assert count(observer, any_topic) == 16


def test_of_two_who_decided_the_same_one_saves(hands: Hands, any_topic: str) -> None:
    """Aim: a name is taken once. Method: threads decide first and save then, together."""
    writers = [hands(own=True) for _ in range(4)]
    query = EventQuery(metadata={"name": b"ada"})
    decisions = [writer.query(any_topic, query) for writer in writers]

    def save(place: int) -> bool:
        try:
            writers[place].save(
                any_topic, noted(name=b"ada"), append_condition=decisions[place].condition
            )
        except ConcurrencyConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        saved = list(threads.map(save, range(4)))

    assert saved.count(True) == 1


X, Y = EventQuery(metadata={"x": b"1"}), EventQuery(metadata={"y": b"1"})


def skewed(hands: Hands, topic: str) -> list[bool]:
    """Whether A, who saves y while there is no x, and B, who saves x while no y, both save."""
    first, second = hands(own=False), hands(own=True)
    on_x, on_y = first.query(topic, X), second.query(topic, Y)
    first.save(topic, noted(y=b"1"), append_condition=on_x.condition)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.save, topic, noted(x=b"1"), append_condition=on_y.condition)
        first.commit()
        return [True, waiting.exception(timeout=20) is None]


def test_write_skew_is_prevented(hands: Hands, any_topic: str) -> None:
    """Aim: crossed conditions meet. Method: each saves what the other one's condition forbids."""
    saved = skewed(hands, any_topic)

    assert saved == [True, False]


def test_write_skew_happens_without_the_locks_of_events(
    hands: Hands, any_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: the guard is needed. Method: the same, with the tags of the query alone."""
    first, second = hands(own=False), hands(own=True)
    on_x, on_y = first.query(any_topic, X), second.query(any_topic, Y)
    monkeypatch.setattr(conditions, "event_tags", lambda _topic, _item: set())

    first.save(any_topic, noted(y=b"1"), append_condition=on_x.condition)
    second.save(any_topic, noted(x=b"1"), append_condition=on_y.condition)
    first.commit()

    assert count(second.connection, any_topic) == 2


def test_an_event_that_commits_late_with_a_lower_id_is_noticed_by_the_snapshot(
    hands: Hands, any_topic: str
) -> None:
    """Aim: ids are no commit order. Method: decide between insert and commit; without it too."""
    late, writer = hands(own=False), hands(own=True)
    late.save(any_topic, marked())
    writer.save(any_topic, noted())
    query = EventQuery(metadata={"user": b"ada"})
    decision = writer.query(any_topic, query)
    late.commit()
    condition = decision.condition
    blind = AppendCondition(none_match=query, after=condition.after)

    assert (decision.events, condition.after) == ((), 2)
    with pytest.raises(ConcurrencyConflict):
        writer.save(any_topic, noted(), append_condition=condition)
    assert writer.save(any_topic, noted(), append_condition=blind).id == 3


def test_what_the_transaction_itself_saved_is_known_to_its_decision(
    hands: Hands, any_topic: str
) -> None:
    """Aim: no conflict with oneself. Method: save, in a savepoint too, decide and save."""
    caller, other = hands(own=False), hands(own=True)
    caller.save(any_topic, marked())
    with caller.connection.transaction():
        caller.save(any_topic, marked())
    other.save(any_topic, noted())
    decision = caller.query(any_topic, EventQuery(key=KEY))

    caller.save(any_topic, marked(), append_condition=decision.condition)
    with pytest.raises(ConcurrencyConflict):
        caller.save(any_topic, marked(), append_condition=decision.condition)
    caller.commit()

    assert len(decision.events) == 2
    assert count(other.connection, any_topic) == 4


UNRELATED = [
    (EventQuery(metadata={"x": b"1"}), EventQuery(metadata={"x": b"2"})),
    (EventQuery(key=UUID(int=1)), EventQuery(key=UUID(int=2))),
    (EventQuery(key=UUID(int=1)), EventQuery(metadata={"x": b"2"})),
    (EventQuery(types=("com.example.A",)), EventQuery(types=("com.example.B",))),
]


@pytest.mark.parametrize("queries", UNRELATED)
def test_unrelated_conditions_do_not_wait_for_each_other(
    hands: Hands, any_topic: str, queries: tuple[EventQuery, EventQuery]
) -> None:
    """Aim: locks are of tags, not of tables. Method: the second one waits for nothing at all."""
    first, second = hands(own=False), hands(own=False)
    second.connection.execute("SET lock_timeout = '1ms'")
    conditions_ = [AppendCondition(none_match=query) for query in queries]

    first.save(any_topic, noted(a=b"1", user=b"ada"), append_condition=conditions_[0])
    stored = second.save(any_topic, noted(a=b"1"), append_condition=conditions_[1])

    assert stored.id == 2


@pytest.mark.parametrize("tag_count", [1, 100])
def test_related_conditions_do_wait(hands: Hands, any_topic: str, tag_count: int) -> None:
    """Aim: the counterpart, and the topic's lock for very many tags. Method: a lock_timeout."""
    first, second = hands(own=False), hands(own=False)
    second.connection.execute("SET lock_timeout = '1ms'")
    about_key = AppendCondition(none_match=EventQuery(key=KEY))
    about_entry = AppendCondition(none_match=EventQuery(metadata={"x": b"1"}))
    event = tagged({"x": b"1"} | {f"n{at}": b"" for at in range(tag_count)})

    first.save(any_topic, event, append_condition=about_key)
    with pytest.raises(TransactionFailed):
        second.save(any_topic, noted(), append_condition=about_entry)


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_transaction_that_cannot_see_what_came_is_refused(
    hands: Hands, any_topic: str, level: IsolationLevel
) -> None:
    """Aim: no check by a view of the past. Method: a caller with one snapshot."""
    caller = hands(own=False)
    caller.connection.isolation_level = level
    condition = AppendCondition(none_match=EventQuery(key=KEY))

    with pytest.raises(ConnectionMisused, match=r"(repeatable read|serializable)") as caught:
        caller.save(any_topic, noted(), append_condition=condition)

    assert "READ COMMITTED" in caught.value.hint


def test_a_repeated_conditional_save_returns_the_first(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: one's own event is no conflict when the answer was lost. Method: repeat both ways."""
    query, event_ids = EventQuery(metadata={"user": b"ada"}), (uuid4(), uuid4())
    condition = hand.query(strict_topic, query).condition

    first = hand.save_many(
        strict_topic, [marked(), noted()], event_ids=event_ids, append_condition=condition
    )
    again = hand.save_many(
        strict_topic, [marked(), noted()], event_ids=event_ids, append_condition=condition
    )
    one = hand.save(strict_topic, marked(), event_ids=event_ids[:1], append_condition=condition)
    with pytest.raises(ConcurrencyConflict, match="1 of the 2 event_ids"):
        hand.save_many(
            strict_topic,
            [marked(), noted()],
            event_ids=(event_ids[0], uuid4()),
            append_condition=condition,
        )
    hand.commit()

    assert [event.id for event in first] == [event.id for event in again]
    assert one.id == first[0].id
    assert count(observer, strict_topic) == 2


def test_a_condition_and_a_version_must_both_hold(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: the terms work together. Method: each fails by itself, then both hold."""
    hand.save(strict_topic, marked())
    decision = hand.query(strict_topic, EventQuery(key=KEY))

    with pytest.raises(ConcurrencyConflict, match="version 0"):
        hand.save(strict_topic, marked(), expected_version=0, append_condition=decision.condition)
    with pytest.raises(ConcurrencyConflict, match="append_condition"):
        hand.save(
            strict_topic,
            marked(),
            expected_version=1,
            append_condition=AppendCondition(none_match=EventQuery(key=KEY)),
        )
    stored = hand.save(
        strict_topic, marked(), expected_version=1, append_condition=decision.condition
    )
    hand.commit()

    assert stored.version == 2
    assert count(observer, strict_topic) == 2


def test_a_query_that_cannot_be_is_refused(hand: Hand, any_topic: str) -> None:
    """Aim: no query that silently fits nothing. Method: a wrong key, types as one name."""
    with pytest.raises(WrongKeyType):
        hand.query(any_topic, EventQuery(key="no UUID"))
    with pytest.raises(ConfigurationError):
        hand.query(any_topic, EventQuery(types="com.example.A"))  # type: ignore[arg-type]  # On purpose.
    with pytest.raises(ConfigurationError, match="AppendCondition"):
        hand.save(any_topic, noted(), append_condition=EventQuery())


def test_a_decision_has_a_bound(
    hand: Hand, any_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: no decision fills the memory. Method: a bound below the events that fit."""
    monkeypatch.setattr(conditions, "DECISION_EVENTS_MAX", 2)
    hand.save_many(any_topic, [marked()] * 3)

    with pytest.raises(ConfigurationError, match="more than 2 events"):
        hand.query(any_topic, EventQuery(key=KEY))


def test_a_table_without_metadata_has_no_event_with_entries(
    hand: Hand, observer: Connection
) -> None:
    """Aim: the original's first shape is served. Method: drop the column."""
    topic = made(observer)
    observer.execute(f"ALTER TABLE events.{topic} DROP COLUMN metadata")
    hand.save(topic, noted())
    query = EventQuery(metadata={"user": b"ada"})

    decision = hand.query(topic, query)
    hand.save(topic, noted(), append_condition=decision.condition)

    assert decision.events == ()
    assert len(hand.query(topic, EventQuery()).events) == 2


def test_equal_keys_have_one_mark() -> None:
    """Aim: 1 and 1.00 meet in one lock, 1 and 10 do not. Method: compare."""
    marks = [key_mark(Decimal(text)) for text in ("1", "1.00", "1e0", "10", "0.1")]

    assert len(set(marks)) == 3
    assert key_mark(b"1") == b"1"


def test_a_fitting_event_always_meets_the_query_in_a_lock() -> None:
    """Aim: the proof in conditions.py. Method: every query against the event that fits it."""
    event = marked()
    item = Item(event, Draft(Row(KEY, b"", None, event.timestamp), -1))
    for event_query in FITTING:
        entries = tuple(
            conditions.entry_bytes(name, value) for name, value in event_query.metadata.items()
        )
        names = frozenset(each if isinstance(each, str) else NAME for each in event_query.types)
        query = Query(
            Sought(event_query.key, entries), names, frozenset(event_query.metadata.items())
        )
        stranger = Item(noted(), Draft(Row(UUID(int=9), b"", None, event.timestamp), -1))

        deciding = wanted_locks("a", query, [stranger])
        saving = wanted_locks("a", Query(Sought(KEY, ()), frozenset(), frozenset()), [item])

        assert any(deciding[tag] for tag in deciding.keys() & saving.keys())
