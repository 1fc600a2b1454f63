"""One class in three ways: what a projector folds, what a save folds, what is folded in memory."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from mainstem import Event, StoredEvent
from mainstem.errors import ConfigurationError, ConnectionMisused, TransactionFailed
from mainstem.postgres import AsyncPostgresEventStore, PostgresEventStore
from mainstem.projection.definition import Projection
from mainstem.projection.handlers import on
from mainstem.projection.inline import AsyncInlineProjections, InlineProjections
from mainstem.projection.streams.stream_projection import StreamProjection
from tests.contrib.django.running import url
from tests.projection.running.journal import Poisoned, PsycopgJournal
from tests.projection.running.scene import KEYS, NAMESPACE, Returned, Scene, Sold

TOPIC = "sale_events"


class Mood(enum.Enum):
    """How a stream is."""

    GOOD = "good"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Sales:
    """What the sales of a key add up to."""

    sold: int
    total: Decimal
    mood: Mood
    last: str | None = None


class SalesByKey(StreamProjection[Sales]):
    """Sales of each key; a key with nothing left has no row."""

    topics = (TOPIC,)

    @on(Sold)
    def sold(self, sales: Sales | None, event: StoredEvent[Sold]) -> Sales:
        """One more."""
        sales = sales or Sales(0, Decimal(0), Mood.GOOD)
        total = sales.total + Decimal(event.payload.number) / 100
        return replace(sales, sold=sales.sold + 1, total=total, last=str(event.payload.number))

    @on(Returned)
    def returned(self, sales: Sales | None, event: StoredEvent[Returned]) -> Sales | None:
        """One less."""
        del event
        if sales is None or sales.sold == 1:
            return None
        return replace(sales, sold=sales.sold - 1, mood=Mood.MIXED)


class AsyncCount(Projection):
    """Counts by coroutines."""

    topics = (TOPIC,)
    ddl = "CREATE TABLE IF NOT EXISTS counted (id bigint)"

    @on()
    async def any(self, events: Sequence[StoredEvent[Any]], tx: psycopg.AsyncConnection) -> None:
        """Note the ids."""
        for event in events:
            if getattr(event.payload, "bad", False):
                raise Poisoned
            await tx.execute("INSERT INTO counted VALUES (%s)", (event.id,))


PAYLOADS = [
    *(Sold(number=n) for n in range(20)),
    *(Returned(number=n) for n in range(16)),
    Sold(number=77),
]


@pytest.fixture
def event_topics() -> tuple[str, ...]:
    """The topic as a table."""
    return (TOPIC,)


@pytest.fixture
def event_types() -> tuple[type, ...]:
    """What the store decodes."""
    return (Sold, Returned)


@pytest.fixture
def keys() -> list[UUID]:
    """A few streams."""
    return [uuid4() for _ in range(5)]


@pytest.fixture
def inline(event_store: PostgresEventStore, mainstem_database: str) -> Iterator[InlineProjections]:
    """Saves that change the read model."""
    with InlineProjections(event_store, mainstem_database, SalesByKey, journal()) as inline:
        yield inline


def journal() -> type[Projection]:
    """The journal, on this topic."""
    return type("Journal", (PsycopgJournal,), {"topics": (TOPIC,)})


def states(dsn: str) -> dict[UUID, tuple[Any, ...]]:
    """The table: key -> columns."""
    with psycopg.connect(dsn) as connection:
        return {row[0]: row[1:] for row in connection.execute("SELECT * FROM sales_by_key")}


def as_row(sales: Sales) -> tuple[Any, ...]:
    """The columns of a state."""
    return sales.sold, sales.total, sales.mood.value, sales.last


def test_inline_and_live_agree(
    inline: InlineProjections,
    event_store: PostgresEventStore,
    mainstem_database: str,
    keys: list[UUID],
) -> None:
    """Save events of several streams one by one, and look at both."""
    for n, payload in enumerate(PAYLOADS):
        inline.save(TOPIC, Event(keys[n % 5], payload))
    live = {key: SalesByKey().live(event_store, key).state for key in keys}

    assert states(mainstem_database) == {
        key: as_row(sales) for key, sales in live.items() if sales is not None
    }
    assert None in live.values()


def test_a_projector_folds_what_a_save_folds(scene: Scene) -> None:
    """Through Kafka, in batches: the table equals the fold of each stream."""
    projection = type("SalesByKey", (SalesByKey,), {"topics": (scene.topic,)})
    scene.publish(PAYLOADS)
    scene.drain(scene.define(projection), batch_events_max=4)
    events: dict[UUID, list[StoredEvent[Any]]] = {}
    for n, payload in enumerate(PAYLOADS):
        key = uuid5(NAMESPACE, str(n % KEYS))
        events.setdefault(key, []).append(StoredEvent(key, payload, topic="t", id=n + 1))
    folded = {key: projection().fold(some) for key, some in events.items()}

    assert states(scene.dsn) == {
        key: as_row(sales) for key, sales in folded.items() if sales is not None
    }


def test_a_handler_that_fails_takes_the_save_with_it(
    inline: InlineProjections, event_store: PostgresEventStore, mainstem_database: str
) -> None:
    """The error is the handler's own, and neither the event nor the row is there."""
    key = uuid4()
    with pytest.raises(Poisoned):
        inline.save(TOPIC, Event(key, Sold(number=1, bad=True)))

    assert list(event_store.read(TOPIC, key=key)) == []
    assert states(mainstem_database) == {}


def test_a_callers_transaction_decides_over_both(
    inline: InlineProjections, event_store: PostgresEventStore, mainstem_database: str
) -> None:
    """One is rolled back, one commits."""
    key = uuid4()
    with psycopg.connect(mainstem_database) as connection:
        inline.save(TOPIC, Event(key, Sold(number=1)), within=connection)
        connection.rollback()
        inline.save(TOPIC, Event(key, Sold(number=2)), within=connection)

    assert [event.payload.number for event in event_store.read(TOPIC, key=key)] == [2]
    assert states(mainstem_database)[key][0] == 1


def test_terms_are_those_of_the_store(inline: InlineProjections) -> None:
    """A repeated id on a topic without ids is refused as by the store."""
    with pytest.raises(ConfigurationError):
        inline.save(TOPIC, Event(uuid4(), Sold(number=1)), event_id=uuid4())


def test_coroutines_work_inline_on_the_callers_loop(mainstem_database: str) -> None:
    """By themselves, within an AsyncSession, and with an event that fails."""

    async def saves() -> int:
        address = url(mainstem_database).replace("postgresql://", "postgresql+psycopg://")
        engine = create_async_engine(address)
        async with (
            AsyncPostgresEventStore.open(mainstem_database, types=(Sold,)) as store,
            AsyncInlineProjections(store, mainstem_database, AsyncCount, SalesByKey) as inline,
        ):
            key = uuid4()
            await inline.save(TOPIC, Event(key, Sold(number=1)))
            async with AsyncSession(engine) as session, session.begin():
                await inline.save(TOPIC, Event(key, Sold(number=1)), within=session)
            with pytest.raises(Poisoned):
                await inline.save(TOPIC, Event(key, Sold(number=1, bad=True)))
            loaded = await SalesByKey().live_async(store, key)
        await engine.dispose()
        assert loaded.state is not None
        return loaded.state.sold

    assert asyncio.run(saves()) == 2
    with psycopg.connect(mainstem_database) as connection:
        counted = connection.execute("SELECT count(*) FROM counted").fetchone()
    assert counted == (2,)


def test_worlds_are_not_mixed(event_store: PostgresEventStore, mainstem_database: str) -> None:
    """Coroutines have no place in a synchronous save, nor a connection that is none."""
    with pytest.raises(ConfigurationError, match="cannot give"):
        InlineProjections(event_store, mainstem_database, AsyncCount)
    with (
        InlineProjections(event_store, mainstem_database, journal()) as inline,
        pytest.raises(ConnectionMisused),
    ):
        inline.save(TOPIC, Event(uuid4(), Sold(number=1)), within=object())


def test_a_store_that_does_not_decode_is_told_so(mainstem_database: str) -> None:
    """A fold over undecoded payloads would be an empty state, silently."""
    key = uuid4()
    with PostgresEventStore.open(mainstem_database) as store:
        store.save(TOPIC, Event(key, Sold(number=1)))
        with pytest.raises(ConfigurationError, match="undecoded"):
            SalesByKey().live(store, key)


def test_two_saves_that_begin_a_stream_do_not_overwrite_each_other(
    event_store: PostgresEventStore, mainstem_database: str
) -> None:
    """The second one waits for the first, is told to run again, and then folds both."""
    key = uuid4()
    with (
        InlineProjections(event_store, mainstem_database, SalesByKey) as inline,
        psycopg.connect(mainstem_database) as first,
        ThreadPoolExecutor(1) as threads,
    ):
        inline.save(TOPIC, Event(key, Sold(number=1)), within=first)
        second = threads.submit(inline.save, TOPIC, Event(key, Sold(number=2)))
        with pytest.raises(TimeoutError):
            second.result(0.3)
        first.commit()
        with pytest.raises(TransactionFailed):
            second.result(10)
        inline.save(TOPIC, Event(key, Sold(number=2)))

    assert states(mainstem_database)[key][0] == 2
