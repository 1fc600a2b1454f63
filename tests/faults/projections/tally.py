"""Tally: a projection that shows every event lost, doubled or out of order, and the same by hand.

The fold of a key is a chain: each event's offset and amount go into a hash over the one before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from mainstem import StoredEvent, event_type
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.handlers import on
from mainstem.schema.declare import Int32
from mainstem.wire import Wire

QUIET_MAX = 600
"""Fetches of 0.05 s in a row without a message, behind an open transaction."""
FETCH_WAIT_MS = 20
"""A consumer is past the marker at the end of a topic only by one more fetch, an empty one."""
DDL = """
CREATE TABLE IF NOT EXISTS tally (
    key uuid PRIMARY KEY, count bigint NOT NULL, amount bigint NOT NULL,
    last_offset bigint NOT NULL, hash text NOT NULL
)
"""
CHAIN = """
INSERT INTO tally VALUES ($1::uuid, 1, $2::bigint, $3::bigint, md5($4::text))
ON CONFLICT (key) DO UPDATE
SET count = tally.count + 1, amount = tally.amount + excluded.amount,
    last_offset = excluded.last_offset, hash = md5(tally.hash || $4::text)
"""
NAMED = (
    CHAIN.replace("$1", "%(key)s")
    .replace("$2", "%(amount)s")
    .replace("$3", "%(offset)s")
    .replace("$4", "%(link)s")
)


@event_type("com.example.faults")
@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Something came in."""

    amount: Int32


@event_type("com.example.faults")
@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Something went out."""

    amount: Int32


TYPES: tuple[type, ...] = (Added, Removed)


@dataclass(frozen=True, slots=True)
class Account:
    """One row of the tally."""

    count: int
    amount: int
    last_offset: int
    chain: str


NOTHING = Account(0, 0, -1, "")


def link_of(offset: int, amount: int) -> str:
    """What an event adds to the chain of its key."""
    return f"{offset}:{amount}"


def values_of(event: StoredEvent[Any]) -> dict[str, object]:
    """The parameters of an event's statement."""
    amount = event.payload.amount * (1 if isinstance(event.payload, Added) else -1)
    assert event.offset is not None
    return {
        "key": event.key,
        "amount": amount,
        "offset": event.offset,
        "link": link_of(event.offset, amount),
    }


class Tally(Projection):
    """By psycopg, a batch of one type and single events of the other."""

    name = "tally"
    tables = ("tally",)
    ddl = DDL

    @on(Added)
    def added(self, events: Sequence[StoredEvent[Added]], tx: psycopg.Connection) -> None:
        """A batch."""
        with tx.cursor() as cursor:
            cursor.executemany(NAMED, [values_of(event) for event in events])

    @on(Removed)
    def removed(self, event: StoredEvent[Removed], tx: psycopg.Connection) -> None:
        """One."""
        tx.execute(NAMED, values_of(event))


class AsyncpgTally(Projection):
    """The same projection on asyncpg: members of one group need not be alike."""

    name = "tally"
    tables = ("tally",)
    ddl = DDL

    @on(Added)
    async def added(self, events: Sequence[StoredEvent[Added]], tx: asyncpg.Connection) -> None:
        """A batch."""
        await tx.executemany(CHAIN, [tuple(values_of(event).values()) for event in events])

    @on(Removed)
    async def removed(self, event: StoredEvent[Removed], tx: asyncpg.Connection) -> None:
        """One."""
        await tx.execute(CHAIN, *values_of(event).values())


KINDS: dict[str, type[Projection]] = {"psycopg": Tally, "asyncpg": AsyncpgTally}


def tally_of(topic: str, kind: str = "psycopg", offsets: str | None = None) -> Definition:
    """The projection, on this topic."""
    return define(type("Tally", (KINDS[kind],), {"topics": (topic,), "offsets": offsets}))


@dataclass(frozen=True, slots=True)
class Fold:
    """What the topic says: an account for each key, and events and end of each partition."""

    accounts: dict[UUID, Account]
    events: dict[int, int]
    ends: dict[int, int]


def fold_of(kafka: KafkaSettings, topic: str, wire: Wire) -> Fold:
    """Read the topic with a consumer that knows nothing of projections, and fold it."""
    accounts: dict[UUID, Account] = {}
    ends = Topics(kafka).ends(topic, Topics(kafka).describe([topic])[topic].partitions)
    events = dict.fromkeys(ends, 0)
    for message in messages_of(kafka, topic, ends):
        key, value, partition = UUID(message.key().decode()), message.value(), message.partition()
        payload = wire.payload(value)
        amount = payload.amount * (1 if isinstance(payload, Added) else -1)
        accounts[key] = chained(accounts.get(key, NOTHING), message.offset(), amount)
        events[partition] += 1
    return Fold(accounts, events, ends)


def chained(before: Account, offset: int, amount: int) -> Account:
    """The account after one more event."""
    seed = (before.chain + link_of(offset, amount)).encode()
    chain = hashlib.md5(seed, usedforsecurity=False).hexdigest()
    return Account(before.count + 1, before.amount + amount, offset, chain)


def messages_of(kafka: KafkaSettings, topic: str, ends: dict[int, int]) -> Iterable[Any]:
    """Every committed message, each partition in its order."""
    consumer = Consumer(
        kafka.config(
            group_id="fold",
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_wait_max_ms=FETCH_WAIT_MS,
        )
    )
    # Whoever does not ask where the partitions are waits half a second for librdkafka to do so.
    consumer.list_topics(topic)
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in ends]
    consumer.assign(places)
    quiet = 0
    while any(p.offset < ends[p.partition] for p in consumer.position(places) if ends[p.partition]):
        messages = consumer.consume(1000, 0.05)
        quiet = 0 if messages else quiet + 1
        assert quiet < QUIET_MAX, "an open transaction hides the end of the topic"
        yield from (message for message in messages if message.error() is None)
    consumer.close()


def accounts_in(dsn: str) -> dict[UUID, Account]:
    """What the table says."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT key, count, amount, last_offset, hash FROM tally")
        return {key: Account(*account) for key, *account in rows}


def differences(dsn: str, fold: Fold, *, offsets: bool = True) -> int:
    """Rows of the table that are not those of the fold, and offsets that are not its ends."""
    table = accounts_in(dsn)
    keys = table.keys() | fold.accounts.keys()
    wrong = sum(table.get(key) != fold.accounts.get(key) for key in keys)
    return wrong + (offsets_wrong(dsn, fold) if offsets else 0)


def offsets_wrong(dsn: str, fold: Fold) -> int:
    """Partitions whose offset or count of events is not the topic's."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            'SELECT "partition", "offset", events FROM _mainstem.projection_offsets'
        )
        found = {partition: (offset + 1, events) for partition, offset, events in rows}
    return sum(
        found.get(partition, (0, 0)) != (end, fold.events[partition])
        for partition, end in fold.ends.items()
    )
