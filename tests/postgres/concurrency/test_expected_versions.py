"""expected_version: what a stream must be like before a save."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import (
    ConcurrencyConflict,
    ConfigurationError,
    DuplicateRow,
    EventRefused,
    MainstemError,
    TransactionFailed,
)
from mainstem.event import Event, Key
from mainstem.postgres.concurrency import singly, together
from mainstem.postgres.packing import BATCH_EVENTS_MAX
from mainstem.postgres.saving import Single
from mainstem.terms import ANY, EXISTS, NO_STREAM, EventQuery, ExpectedVersion
from tests.postgres.concurrency.conftest import Hand, Stored, made, versions
from tests.postgres.conftest import count
from tests.postgres.payloads import Noted, noted

Connection = psycopg.Connection[Any]


def save(hand: Hand, topic: str, events: Sequence[Event[Noted]], **terms: Any) -> list[Stored]:
    """Save by `save` where it is one event, else by `save_many`."""
    if len(events) == 1:
        return [hand.save(topic, events[0], **terms)]
    return hand.save_many(topic, events, **terms)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("case", [(0, ANY), (2, ANY), (0, NO_STREAM), (0, 0), (2, 2), (2, EXISTS)])
def test_a_stream_as_expected_takes_the_events_at_its_end(
    hand: Hand,
    strict_topic: str,
    observer: Connection,
    case: tuple[int, ExpectedVersion],
    size: int,
) -> None:
    """Aim: versions go on without gap. Method: each expectation that holds, by both ways."""
    key, (before, expected) = uuid4(), case
    for number in range(before):
        hand.save(strict_topic, noted(number, key=key))
    events = [noted(number, key=key) for number in range(size)]

    stored = save(hand, strict_topic, events, expected_version=expected)
    hand.commit()

    assert [event.version for event in stored] == list(range(before + 1, before + size + 1))
    assert versions(observer, strict_topic) == {key: list(range(1, before + size + 1))}


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    "case",
    [
        (2, NO_STREAM, (0, 2)),
        (2, 0, (0, 2)),
        (2, 1, (1, 2)),
        (2, 3, (3, 2)),
        (0, 1, (1, 0)),
        (0, EXISTS, (None, 0)),
    ],
)
def test_a_conflict_tells_both_versions_and_leaves_the_transaction_usable(
    hand: Hand,
    strict_topic: str,
    observer: Connection,
    case: tuple[int, ExpectedVersion, tuple[int | None, int]],
    size: int,
) -> None:
    """Aim: nothing is saved, the caller goes on. Method: each expectation that fails, then save."""
    key, (before, expected, told) = uuid4(), case
    for number in range(before):
        hand.save(strict_topic, noted(number, key=key))

    with pytest.raises(ConcurrencyConflict) as caught:
        save(hand, strict_topic, [noted(9, key=key)] * size, expected_version=expected)
    after = hand.save(strict_topic, noted(key=key))
    hand.commit()

    assert (caught.value.expected, caught.value.actual) == told
    assert str(key) not in str(caught.value)
    assert after.version == before + 1
    assert count(observer, strict_topic) == before + 1


def test_what_another_transaction_takes_first_is_a_conflict_for_both_ways(
    hand: Hand, other: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: the expectation holds against what was saved since it was read. Method: two writers."""
    key = uuid4()
    hand.save(strict_topic, noted(key=key))
    hand.commit()
    other.save(strict_topic, noted(key=key))

    for events in ([noted(key=key)], [noted(key=key), noted(key=key)]):
        with pytest.raises(ConcurrencyConflict) as caught:
            save(hand, strict_topic, events, expected_version=1)
        assert caught.value.actual == 2

    assert save(hand, strict_topic, [noted(key=key)] * 2, expected_version=2)[1].version == 4
    hand.commit()
    assert versions(observer, strict_topic) == {key: [1, 2, 3, 4]}


def test_several_streams_are_all_as_expected_or_nothing_is_saved(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: all or none over several keys. Method: one of the keys is not as expected."""
    old, new = uuid4(), uuid4()
    hand.save(strict_topic, noted(key=old))

    with pytest.raises(ConcurrencyConflict):
        hand.save_many(strict_topic, [noted(key=new), noted(key=old)], expected_version=NO_STREAM)
    with pytest.raises(ConcurrencyConflict):
        hand.save_many(strict_topic, [noted(key=old), noted(key=new)], expected_version=EXISTS)
    with pytest.raises(ConfigurationError, match="several keys"):
        hand.save_many(strict_topic, [noted(key=old), noted(key=new)], expected_version=1)
    hand.commit()

    assert versions(observer, strict_topic) == {old: [1]}


def test_versions_go_on_over_the_pieces_of_a_large_batch(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: an expectation is about the time before the batch. Method: two pieces, two keys."""
    keys = uuid4(), uuid4()
    events = [noted(number, key=keys[number % 2]) for number in range(BATCH_EVENTS_MAX + 4)]

    stored = hand.save_many(strict_topic, events, expected_version=NO_STREAM)
    hand.commit()

    half = len(events) // 2
    assert [event.version for event in stored[::2]] == list(range(1, half + 1))
    assert versions(observer, strict_topic) == {key: list(range(1, half + 1)) for key in keys}


def test_a_later_piece_that_does_not_fit_takes_the_earlier_ones_back(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: all or none over pieces. Method: the last event's stream exists."""
    old = uuid4()
    hand.save(strict_topic, noted(key=old))
    events = [noted(number) for number in range(BATCH_EVENTS_MAX)]

    with pytest.raises(ConcurrencyConflict):
        hand.save_many(strict_topic, [*events, noted(key=old)], expected_version=NO_STREAM)
    hand.save(strict_topic, noted(key=old), expected_version=1)
    hand.commit()

    assert versions(observer, strict_topic) == {old: [1, 2]}


@pytest.mark.parametrize("expected", [-1, -2, True, "1", 2**63])
def test_what_is_no_version_is_refused(hand: Hand, strict_topic: str, expected: Any) -> None:
    """Aim: no stray number becomes a code of ours. Method: values that are no version."""
    with pytest.raises(ConfigurationError, match="expected_version="):
        hand.save(strict_topic, noted(), expected_version=expected)


def test_a_topic_without_versions_says_how_to_get_them(hand: Hand, new_topic: str) -> None:
    """Aim: the way out is named, the transaction usable. Method: a table of the original shape."""
    with pytest.raises(ConfigurationError, match="version") as caught:
        hand.save(new_topic, noted(), expected_version=1)

    assert "mainstem topic create NAME --versioned" in caught.value.hint
    assert hand.save(new_topic, noted()).version is None


def replace(observer: Connection, topic: str) -> None:
    """Put a new and empty table in the place of the topic's."""
    again = made(observer, versioned=True, idempotent=True)
    observer.execute(f"""
        DROP TABLE events.{topic}; ALTER TABLE events.{again} RENAME TO {topic}
    """)


def test_a_topic_that_was_made_anew_is_looked_at_anew(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: what is remembered of a table never decides alone. Method: replace it each time."""
    key = uuid4()
    hand.save(strict_topic, noted(key=key))
    hand.commit()
    replace(observer, strict_topic)
    one = hand.save(strict_topic, noted(key=key))
    hand.commit()
    replace(observer, strict_topic)
    many = hand.save_many(strict_topic, [noted(key=key)] * 2)
    hand.commit()
    replace(observer, strict_topic)
    decision = hand.query(strict_topic, EventQuery(key=key))
    hand.commit()

    assert [one.version, *(event.version for event in many)] == [1, 1, 2]
    assert decision.events == ()


@pytest.mark.parametrize("keys", [[1, 2, 3], [1, 1, 1]])
def test_singles_too_look_at_a_table_anew(
    other: Hand, strict_topic: str, observer: Connection, keys: list[int]
) -> None:
    """Aim: the same for many callers. Method: replace the table under a batch of each kind."""
    entries = [Single(noted(key=UUID(int=key))) for key in keys]
    other.singles(strict_topic, *entries)
    replace(observer, strict_topic)

    outcomes = other.singles(strict_topic, *entries)

    assert not [outcome for outcome in outcomes if isinstance(outcome, MainstemError)]
    assert sum(map(len, versions(observer, strict_topic).values())) == len(keys)


def test_a_topic_that_got_versions_later_is_looked_at_anew(
    other: Hand, new_topic: str, observer: Connection
) -> None:
    """Aim: no writer must be started again. Method: add the column under a writer."""
    key = uuid4()
    other.save(new_topic, noted(key=key))
    observer.execute(f"""
        ALTER TABLE events.{new_topic} ADD COLUMN version bigint NOT NULL DEFAULT 1,
            ADD UNIQUE (key, version);
        ALTER TABLE events.{new_topic} ALTER COLUMN version DROP DEFAULT
    """)

    expecting = other.save(new_topic, noted(key=key), expected_version=1)
    careless = other.save(new_topic, noted(key=key))

    assert [expecting.version, careless.version] == [2, 3]


def test_a_careless_writer_notices_versions_by_itself(
    other: Hand, new_topic: str, observer: Connection
) -> None:
    """Aim: the same without terms. Method: the column refuses a row without a version."""
    key = uuid4()
    other.save(new_topic, noted(key=key))
    observer.execute(f"""
        ALTER TABLE events.{new_topic} ADD COLUMN version bigint NOT NULL DEFAULT 1,
            ADD UNIQUE (key, version);
        ALTER TABLE events.{new_topic} ALTER COLUMN version DROP DEFAULT
    """)

    assert other.save(new_topic, noted(key=key)).version == 2


@pytest.mark.parametrize("key_type", ["text", "bigint", "numeric", "bytea", "boolean"])
def test_streams_may_have_any_type_of_key(hand: Hand, observer: Connection, key_type: str) -> None:
    """Aim: rows are told by any key. Method: three saves of a key, one with an event_id again."""
    keys: dict[str, Key] = {
        "text": "ä",
        "bigint": -5,
        "numeric": Decimal("7.50"),
        "bytea": b"\0\xff",
        "boolean": False,
    }
    key = keys[key_type]
    topic = made(observer, key_type=key_type, versioned=True, idempotent=True)
    event_id = uuid4()

    hand.save(topic, noted(key=key))
    second = hand.save(topic, noted(key=key), expected_version=1, event_ids=(event_id,))
    repeated = hand.save(topic, noted(key=key), expected_version=1, event_ids=(event_id,))

    assert (second.version, repeated.id) == (2, second.id)


def test_a_constraint_of_the_users_own_is_named(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: no endless races against what is no race. Method: a unique index on the key."""
    observer.execute(
        f"ALTER TABLE events.{strict_topic} ADD CONSTRAINT lone_{strict_topic} UNIQUE (key)"
    )
    key = uuid4()

    with pytest.raises(DuplicateRow, match="lone"):
        hand.save_many(strict_topic, [noted(key=key), noted(key=key)])
    hand.save(strict_topic, noted(key=key))
    with pytest.raises(EventRefused, match="lone"):
        hand.save(strict_topic, noted(key=key))
    hand.connection.rollback()


def test_a_race_is_given_up_after_a_bound(
    hand: Hand, strict_topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: no loop without end. Method: no attempt is allowed."""
    monkeypatch.setattr(together, "ATTEMPTS_MAX", 0)
    monkeypatch.setattr(singly, "ATTEMPTS_MAX", 0)

    with pytest.raises(TransactionFailed, match="faster"):
        hand.save_many(strict_topic, [noted(), noted()])
    with pytest.raises(TransactionFailed, match="faster"):
        hand.save(strict_topic, noted())
