"""event_id: a save that is repeated finds what the first one saved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import ConcurrencyConflict, ConfigurationError, EventRefused
from mainstem.event import Event
from mainstem.terms import ANY, EXISTS, NO_STREAM, ExpectedVersion
from tests.postgres.concurrency.conftest import Hand, Hands, made, versions
from tests.postgres.conftest import count
from tests.postgres.payloads import Noted, noted

Connection = psycopg.Connection[Any]
WRITERS = 4


@pytest.mark.parametrize("options", [{"idempotent": True}, {"idempotent": True, "versioned": True}])
def test_a_repeated_save_returns_what_the_first_one_saved(
    hand: Hand, observer: Connection, options: dict[str, bool]
) -> None:
    """Aim: time, payload and id of the first. Method: repeat it later, and with another payload."""
    topic = made(observer, **options)
    event, event_id = noted(1, a=b"1"), uuid4()

    first = hand.save(topic, event, event_ids=(event_id,))
    same = hand.save(
        topic, Event(event.key, event.payload, metadata=event.metadata), event_ids=(event_id,)
    )
    changed = hand.save(topic, noted(2), event_ids=(event_id,))
    hand.commit()

    assert first == same == changed
    assert isinstance(changed.payload, Noted)
    assert count(observer, topic) == 1


@pytest.mark.parametrize("expected", [ANY, NO_STREAM, 0, EXISTS])
def test_a_repeated_save_needs_its_expectation_no_more(
    hand: Hand, strict_topic: str, expected: ExpectedVersion
) -> None:
    """Aim: a lost answer can be asked for again. Method: the stream has gone on meanwhile."""
    key, event_id = uuid4(), uuid4()
    if expected is EXISTS:
        hand.save(strict_topic, noted(key=key))

    first = hand.save(
        strict_topic, noted(key=key), expected_version=expected, event_ids=(event_id,)
    )
    hand.save(strict_topic, noted(key=key))
    again = hand.save(
        strict_topic, noted(key=key), expected_version=expected, event_ids=(event_id,)
    )

    assert (again.id, again.version) == (first.id, first.version)


def test_a_repeated_batch_returns_the_first_one(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: the same for save_many, also with an exact version. Method: repeat it."""
    key, event_ids = uuid4(), (uuid4(), uuid4())
    events = [noted(1, key=key), noted(2, key=key)]

    first = hand.save_many(strict_topic, events, expected_version=0, event_ids=event_ids)
    again = hand.save_many(strict_topic, events, expected_version=0, event_ids=event_ids)
    hand.commit()

    assert first == again
    assert versions(observer, strict_topic) == {key: [1, 2]}


def test_a_batch_of_old_and_new_saves_the_new_ones(
    hand: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: what is there comes back, the rest goes in. Method: the middle one is there."""
    key, known = uuid4(), uuid4()
    first = hand.save(strict_topic, noted(1, key=key), event_ids=(known,))
    events = [noted(2, key=key), noted(3, key=key), noted(4, key=key)]

    stored = hand.save_many(strict_topic, events, event_ids=(uuid4(), known, uuid4()))
    with pytest.raises(ConcurrencyConflict) as caught:
        hand.save_many(
            strict_topic, events, expected_version=3, event_ids=(uuid4(), known, uuid4())
        )
    hand.commit()

    assert [event.version for event in stored] == [2, 1, 3]
    assert stored[1] == first
    assert (caught.value.expected, caught.value.actual) == (3, 3)
    assert versions(observer, strict_topic) == {key: [1, 2, 3]}


def test_of_repetitions_at_the_same_time_one_is_saved(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: all get the same event. Method: as many threads as writers, some ids, both ways."""
    writers = [hands(own=True) for _ in range(WRITERS)]
    key, event_ids = uuid4(), [uuid4() for _ in range(20)]

    def write(writer: Hand) -> list[tuple[int, int | None]]:
        stored = [
            writer.save(strict_topic, noted(key=key), event_ids=(event_id,))
            for event_id in event_ids[:10]
        ]
        stored += writer.save_many(
            strict_topic, [noted(key=key)] * 10, event_ids=tuple(event_ids[10:])
        )
        return [(event.id, event.version) for event in stored]

    with ThreadPoolExecutor(WRITERS) as threads:
        answers = list(threads.map(write, writers))

    assert all(answer == answers[0] for answer in answers)
    assert versions(observer, strict_topic) == {key: list(range(1, 21))}


def test_a_repetition_waits_for_the_transaction_of_the_first(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: an answer that is true whatever becomes of the first. Method: it rolls back."""
    holder, writer = hands(own=False), hands(own=True)
    event_id = uuid4()
    holder.save(strict_topic, noted(), event_ids=(event_id,))

    with ThreadPoolExecutor(1) as threads:
        repeated = threads.submit(writer.save, strict_topic, noted(7), event_ids=(event_id,))
        holder.connection.rollback()
        stored = repeated.result(timeout=20)

    assert stored.payload.count == 7
    assert count(observer, strict_topic) == 1


@pytest.mark.parametrize(
    ("event_ids", "error"),
    [((), "0 event_ids for 1"), (("x",), "must be a UUID"), ((None,), "must be a UUID")],
)
def test_ids_that_cannot_be_are_refused(
    hand: Hand, strict_topic: str, event_ids: tuple[UUID, ...], error: str
) -> None:
    """Aim: nothing is sent. Method: too few, and no UUIDs."""
    with pytest.raises(EventRefused, match=error):
        hand.save(strict_topic, noted(), event_ids=event_ids)


def test_one_id_is_for_one_event(hand: Hand, strict_topic: str, new_topic: str) -> None:
    """Aim: no event is lost by a doubled id; a plain topic says what it lacks. Method: both."""
    event_id = uuid4()

    with pytest.raises(EventRefused, match="the same event_id"):
        hand.save_many(strict_topic, [noted(), noted()], event_ids=(event_id, event_id))
    with pytest.raises(ConfigurationError, match="event_id=") as caught:
        hand.save(new_topic, noted(), event_ids=(event_id,))
    assert "--idempotent" in caught.value.hint
