"""Offsets of a loop of one's own, in the transaction of its rows."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from mainstem.kafka import AsyncKafkaEventStore, KafkaEventStore
from mainstem.kafka.delivered import Place
from mainstem.projection import PostgresOffsets
from mainstem.projection.errors import OffsetsMoved
from tests.projection.running.scene import Scene, Sold

INSERT = "INSERT INTO journal (id) VALUES (%s)"
GROUP = "billing"


def apply(scene: Scene, count: int, *, rollback: bool = False) -> None:
    """Apply the next events by a loop of its own, until there are so many rows in all."""
    offsets = PostgresOffsets(scene.dsn, scene.kafka, GROUP)
    with (
        KafkaEventStore.open(scene.kafka, registry=scene.registry, types=(Sold,)) as log,
        log.subscribe(scene.topic, group=GROUP, offsets=offsets) as events,
        psycopg.connect(scene.dsn, autocommit=True) as connection,
    ):
        for batch in events:
            with connection.transaction(force_rollback=rollback):
                for event in batch:
                    connection.execute(INSERT, (event.id,))
                offsets.save(batch.offsets, within=connection)
            if rollback or scene.one("SELECT count(*) FROM journal") >= count:
                break


def test_a_loop_goes_on_from_what_is_committed(scene: Scene) -> None:
    """A first one applies some, a second one is rolled back, a third one applies the rest once."""
    scene.publish_sold(10)
    apply(scene, 10)
    scene.publish_sold(10)
    apply(scene, 20, rollback=True)
    apply(scene, 20)

    assert scene.rows("SELECT id FROM journal ORDER BY id") == [(n + 1,) for n in range(20)]


def test_offsets_that_another_one_moved_are_not_moved(scene: Scene) -> None:
    """The compare-and-set fails, and the rows go with the caller's transaction."""
    scene.publish_sold(1)
    apply(scene, 1)
    offsets = PostgresOffsets(scene.dsn, scene.kafka, GROUP)
    places = list(offsets.load(places_of(scene)))
    scene.rows('UPDATE _mainstem.projection_offsets SET "offset" = 100')

    with (
        pytest.raises(OffsetsMoved),
        psycopg.connect(scene.dsn) as connection,
        connection.transaction(),
    ):
        offsets.save(dict.fromkeys(places, 7), within=connection)


def test_asyncio_saves_them_too(scene: Scene) -> None:
    """One batch, on an asynchronous connection."""
    scene.publish_sold(5)
    offsets = PostgresOffsets(scene.dsn, scene.kafka, GROUP)

    async def first() -> int:
        async with (
            AsyncKafkaEventStore.open(scene.kafka, registry=scene.registry, types=(Sold,)) as log,
            log.subscribe(scene.topic, group=GROUP, offsets=offsets) as events,
            await psycopg.AsyncConnection.connect(scene.dsn, autocommit=True) as connection,
        ):
            count = 0
            async for batch in events:
                count += len(batch)
                async with connection.transaction():
                    await offsets.save_async(batch.offsets, within=connection)
                if count == 5:
                    break
            return count

    assert asyncio.run(first()) == 5
    assert scene.one('SELECT sum("offset" + 1) FROM _mainstem.projection_offsets') >= 5


def places_of(scene: Scene) -> list[Place]:
    """Both partitions."""
    return [Place(scene.topic, partition) for partition in (0, 1)]
