"""Repartition topics do not grow for ever, and nothing that is needed goes with what is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import EARLIEST, Topics
from mainstem.streams.founding import found
from mainstem.streams.purging import Purger
from tests.streams.founded import World


@pytest.fixture
def world(kafka: KafkaSettings, topic: str) -> Iterator[World]:
    """An application that has begun, with ten records in each topic that it reads."""
    world = World(kafka, topic)
    found(kafka, world.topology)
    for name in (world.source, world.repartition):
        world.fill(name, 10)
    yield world
    world.close()


def firsts(world: World) -> dict[str, int]:
    """What is left of partition 0 of each."""
    asked = [Place(world.source, 0), Place(world.repartition, 0)]
    found = Topics(world.kafka).offsets(asked, EARLIEST)
    return {place.topic: offset for place, offset in found.items()}


def test_what_is_worked_off_is_deleted_from_repartition_topics_alone(world: World) -> None:
    """The source keeps its events: commit offsets of both, and purge."""
    world.commit((world.source, 0, 5), (world.repartition, 0, 7))
    purger = Purger(world.kafka, world.app, [world.repartition])

    assert purger.purge() == {Place(world.repartition, 0): 7}
    assert firsts(world) == {world.source: 0, world.repartition: 7}
    assert found(world.kafka, world.topology)


def test_nothing_is_deleted_that_is_not_committed(world: World) -> None:
    """An open transaction may be aborted: purge before it, in it, after it, and once more."""
    purger = Purger(world.kafka, world.app, [world.repartition])

    assert purger.purge() == {}

    with world.moving((world.repartition, 0, 3)):
        assert purger.purge() == {}
        assert firsts(world)[world.repartition] == 0

    assert world.committed()[Place(world.repartition, 0)] == 3
    assert purger.purge() == {Place(world.repartition, 0): 3}
    assert purger.purge() == {}
    assert firsts(world)[world.repartition] == 3


def test_another_group_is_nothing_to_it(world: World) -> None:
    """Offsets are those of the application: commit as another one."""
    world.commit((world.repartition, 0, 9), group=f"{world.app}-other")

    assert Purger(world.kafka, world.app, [world.repartition]).purge() == {}
    assert firsts(world)[world.repartition] == 0


def test_without_repartition_topics_there_is_nothing_to_do(world: World) -> None:
    """Not even a request: purge nothing."""
    world.commit((world.source, 0, 5))

    assert Purger(world.kafka, world.app, []).purge() == {}
    assert firsts(world)[world.source] == 0


def test_a_server_that_is_away_is_asked_another_time() -> None:
    """It is housekeeping, and no reason to stop: ask where nobody listens."""
    assert Purger(KafkaSettings("127.0.0.1:1"), "nobody", ["nothing"]).purge() == {}
