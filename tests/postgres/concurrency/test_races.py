"""Writers at the same time: versions neither repeat nor skip, and a snapshot never lies."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from mainstem.errors import ConcurrencyConflict, MainstemError, TransactionFailed
from mainstem.postgres.saving import Single
from mainstem.terms import EXISTS, Terms
from tests.postgres.concurrency.conftest import Hand, Hands, versions
from tests.postgres.conftest import count
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]
WRITERS = 4
SAVES = 40


def together(hands: Hands, write: Callable[[Hand, int], int]) -> int:
    """The sum of what writers on connections of their own have saved at the same time."""
    writers = [hands(own=True) for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        return sum(threads.map(write, writers, range(WRITERS)))


def test_writers_of_one_stream_never_repeat_or_skip_a_version(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: versions 1 to n. Method: threads save to one key in each of the ways, without terms."""
    key = uuid4()

    def write(writer: Hand, seed: int) -> int:
        random, saved = Random(seed), 0
        for number in range(SAVES):
            way = random.randrange(3)
            if way == 0:
                writer.save(strict_topic, noted(number, key=key))
            elif way == 1:
                writer.save_many(strict_topic, [noted(number, key=key)] * 2)
            else:
                writer.singles(strict_topic, *[Single(noted(number, key=key))] * 2)
            saved += 1 if way == 0 else 2
        return saved

    total = together(hands, write)

    assert versions(observer, strict_topic) == {key: list(range(1, total + 1))}


def test_of_writers_with_one_expectation_one_wins(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: optimistic concurrency. Method: each writer counts up from what it believes."""
    keys = [uuid4() for _ in range(3)]

    def write(writer: Hand, seed: int) -> int:
        random, believed, saved = Random(seed), dict.fromkeys(keys, 0), 0
        for _ in range(SAVES):
            key, size = random.choice(keys), random.randint(1, 3)
            try:
                stored = writer.save_many(
                    strict_topic, [noted(key=key)] * size, expected_version=believed[key]
                )
            except ConcurrencyConflict as conflict:
                # Each conflict tells of something new, so that this comes to an end.
                believed[key] = max(conflict.actual or 0, believed[key] + 1)
            else:
                assert [event.version for event in stored] == list(
                    range(believed[key] + 1, believed[key] + size + 1)
                )
                believed[key] += size
                saved += size
        return saved

    total = together(hands, write)
    found = versions(observer, strict_topic)

    assert sum(map(len, found.values())) == total
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in found.values())


def test_batches_of_singles_over_the_same_keys_never_lock_each_other_out(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: no deadlock between group commits. Method: batches of the same keys in any order."""
    keys = [uuid4() for _ in range(30)]

    def write(writer: Hand, seed: int) -> int:
        random = Random(seed)
        for _ in range(10):
            chosen = random.sample(keys, 20)
            outcomes = writer.singles(
                strict_topic,
                *(Single(noted(key=key), Terms(event_ids=(uuid4(),))) for key in chosen),
            )
            assert not [outcome for outcome in outcomes if isinstance(outcome, MainstemError)]
        return 200

    total = together(hands, write)

    assert count(observer, strict_topic) == total


def test_a_save_waits_for_the_transaction_that_has_its_version(
    hands: Hands, strict_topic: str, observer: Connection
) -> None:
    """Aim: no gap and no conflict without a cause. Method: the first one rolls back."""
    key = uuid4()
    holder, writer = hands(own=False), hands(own=True)
    holder.save(strict_topic, noted(1, key=key))

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(writer.save, strict_topic, noted(2, key=key), expected_version=0)
        holder.connection.rollback()
        stored = waiting.result(timeout=20)

    assert stored.version == 1
    assert versions(observer, strict_topic) == {key: [1]}


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("size", [1, 2])
def test_a_snapshot_that_is_too_old_fails_the_transaction(
    hands: Hands, strict_topic: str, level: IsolationLevel, size: int
) -> None:
    """Aim: no version by a view of the past. Method: another one saves after the snapshot."""
    key = uuid4()
    caller, other = hands(own=False), hands(own=True)
    other.save(strict_topic, noted(key=key))
    caller.connection.isolation_level = level
    caller.connection.execute(f"SELECT FROM events.{strict_topic}")
    other.save(strict_topic, noted(key=key))

    with pytest.raises(TransactionFailed):
        caller.save_many(strict_topic, [noted(key=key)] * size, expected_version=EXISTS)
    caller.connection.rollback()
    stored = caller.save_many(strict_topic, [noted(key=key)] * size, expected_version=2)
    caller.commit()

    assert stored[-1].version == 2 + size


@pytest.mark.parametrize("size", [1, 2])
def test_an_event_id_that_the_snapshot_cannot_show_fails_the_transaction(
    hands: Hands, strict_topic: str, size: int
) -> None:
    """Aim: no endless search for the first one. Method: it is saved after the snapshot."""
    event_ids = tuple(uuid4() for _ in range(size))
    caller, other = hands(own=False), hands(own=True)
    caller.connection.isolation_level = IsolationLevel.REPEATABLE_READ
    caller.connection.execute(f"SELECT FROM events.{strict_topic}")
    other.save_many(strict_topic, [noted()] * size, event_ids=event_ids)

    with pytest.raises(TransactionFailed):
        caller.save_many(strict_topic, [noted()] * size, event_ids=event_ids)
