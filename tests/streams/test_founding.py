"""An application begins once, and never goes on where the world has changed beneath it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mainstem.errors import ConfigurationError, MainstemError, Refusal, UnknownTopic
from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, Topics
from mainstem.streams.application_record import Role
from mainstem.streams.founder import Founder
from mainstem.streams.founding import delete_group, delete_topics, forget, found
from tests.streams.founded import KEPT, World

SHORT = {**KEPT, "retention.ms": "604800000"}


@pytest.fixture
def world(kafka: KafkaSettings, topic: str) -> Iterator[World]:
    """An application that has not begun."""
    world = World(kafka, topic)
    yield world
    world.close()


@pytest.fixture
def begun(world: World) -> World:
    """One that has begun."""
    found(world.kafka, world.topology)
    return world


def refused(world: World, name: str) -> str:
    """The message of the refusal of this name that a start meets."""
    with pytest.raises(Refusal) as caught:
        found(world.kafka, world.topology)

    assert caught.value.name == name
    return caught.value.message


# -- beginning


def test_the_first_start_writes_record_and_offsets(world: World) -> None:
    """Both are there after it: look at topics, roles and offsets."""
    ids = found(world.kafka, world.topology)
    record = world.record()

    assert record is not None
    assert record.state_format == 1
    assert {name: topic.role for name, topic in record.topics.items()} == {
        world.source: Role.SOURCE,
        world.repartition: Role.REPARTITION,
        world.changelog: Role.CHANGELOG,
    }
    assert ids == Topics(world.kafka).ids(record.topics)
    assert set(world.committed().values()) == {0}


def test_a_source_begins_at_its_first_event(world: World) -> None:
    """Not at 0, where a source has forgotten events: delete some first."""
    world.fill(world.source, 10)
    world.delete_below(world.source, 4)
    found(world.kafka, world.topology)

    assert world.committed()[Place(world.source, 0)] == 4
    assert world.committed()[Place(world.source, 1)] == 0


def test_a_later_start_moves_nothing(begun: World) -> None:
    """Offsets are the engine's business then: move one, and start again while a member lives."""
    begun.fill(begun.source, 5)
    begun.commit((begun.source, 0, 3))
    record = begun.record()
    with begun.member():
        found(begun.kafka, begun.topology)

    assert begun.committed()[Place(begun.source, 0)] == 3
    assert begun.record() == record


def test_two_that_begin_at_once_found_one_application(world: World) -> None:
    """Whoever is fenced finds the other's record: let four threads meet at a barrier."""
    count = 4
    barrier = threading.Barrier(count)

    def begin() -> dict[str, str]:
        barrier.wait()
        return found(world.kafka, world.topology)

    with ThreadPoolExecutor(count) as pool:
        ids = [future.result() for future in [pool.submit(begin) for _ in range(count)]]

    assert all(each == ids[0] for each in ids)
    assert set(world.committed().values()) == {0}
    assert world.record() is not None


def test_a_founder_that_was_overtaken_writes_nothing(world: World) -> None:
    """The fence holds for record and offsets: let one begin behind the back of another."""
    late = Founder(world.kafka, world.app)
    found(world.kafka, world.topology)
    record = world.record()

    with pytest.raises(MainstemError, match="another one began the application"):
        late.write(b"anything")

    assert world.record() == record


def test_a_source_that_is_not_there_is_named(world: World) -> None:
    """Nothing is written then: ask for a topic that nobody created."""
    with pytest.raises(UnknownTopic, match=world.other):
        found(world.kafka, replace(world.topology, sources=(world.other,)))

    assert world.record() is None


# -- a changed program


def test_a_new_source_begins_at_its_beginning(begun: World) -> None:
    """The others stay where they are: move one, then add a source."""
    begun.create(begun.other, KEPT, partitions=1)
    begun.fill(begun.source, 5)
    begun.commit((begun.source, 0, 3))
    wider = replace(begun.topology, sources=(begun.source, begun.other))

    ids = found(begun.kafka, wider)

    assert set(ids) == {*begun.topology.roles(), begun.other}
    assert begun.committed()[Place(begun.source, 0)] == 3
    assert found(begun.kafka, wider) == ids


def test_a_source_that_comes_back_goes_on_where_it_was(begun: World) -> None:
    """Its events are not counted twice: leave it out for a while."""
    begun.create(begun.other, KEPT, partitions=1)
    begun.fill(begun.source, 5)
    begun.commit((begun.source, 0, 3))
    found(begun.kafka, replace(begun.topology, sources=(begun.other,)))
    found(begun.kafka, begun.topology)

    assert begun.committed()[Place(begun.source, 0)] == 3


def test_a_new_source_is_refused_while_instances_run(begun: World) -> None:
    """They run another program: add a source beside a live member."""
    begun.create(begun.other, KEPT, partitions=1)
    wider = replace(begun.topology, sources=(begun.source, begun.other))
    with (
        begun.member(),
        pytest.raises(ConfigurationError, match=rf"\({begun.other}\), while 1 inst"),
    ):
        found(begun.kafka, wider)
    record = begun.record()

    assert record is not None
    assert begun.other not in record.topics


# -- a changed world


@pytest.mark.parametrize("role", ["source", "repartition", "changelog"])
def test_a_topic_that_was_created_again_is_refused(begun: World, role: str) -> None:
    """Its offsets or its state are another one's: delete and create it."""
    name = getattr(begun, role)
    begun.recreate(name, COMPACTED_TOPIC if role == "changelog" else KEPT)

    message = refused(begun, "stream-topic-recreated")

    assert f"the {role} topic {name} of id" in message
    assert (f"mainstem stream reset {begun.app}" in message) == (role == "changelog")


def test_another_number_of_partitions_is_refused(begun: World) -> None:
    """Keys have moved away from their state: add a partition to the source."""
    begun.grow(begun.source, 3)

    assert "2 partitions" in refused(begun, "stream-partitions-changed")


def test_lost_offsets_are_refused(begun: World) -> None:
    """They are not set anew, which would count all again: delete the group."""
    begun.delete_group()

    assert f"{begun.source}[0] and of 3 other" in refused(begun, "stream-offsets-lost")


def test_a_group_with_offsets_is_not_taken(world: World) -> None:
    """It is somebody else's, whatever it reads: commit an offset of another topic in it."""
    world.create(world.other, EVENT_TOPIC, partitions=1)
    world.commit((world.other, 0, 0))

    assert f"its group has offsets of {world.other}" in refused(world, "stream-group-taken")
    assert world.record() is None


def test_a_group_with_members_is_not_taken(world: World) -> None:
    """The same, before it has committed anything: join it."""
    with world.member():
        message = refused(world, "stream-group-taken")

    assert "its group has 1 members" in message


@pytest.mark.parametrize("role", ["repartition", "changelog"])
def test_a_beginning_on_old_state_is_refused(world: World, role: str) -> None:
    """A lost record is no new application: leave records behind in its own topics."""
    name = getattr(world, role)
    world.fill(name, 1)

    assert f"there are records in {name}" in refused(world, "stream-group-taken")


def test_events_that_were_deleted_unread_are_refused(begun: World) -> None:
    """They would be missing from all results: delete beyond the group's offset."""
    begun.fill(begun.source, 10)
    begun.delete_below(begun.source, 6)

    message = refused(begun, "stream-events-deleted")

    assert f"is at offset 0 of {begun.source}[0], but Kafka holds 6 to 11" in message


def test_an_offset_beyond_the_end_is_refused(begun: World) -> None:
    """The partition has lost its end: commit what never was."""
    begun.commit((begun.source, 1, 7))

    message = refused(begun, "stream-events-deleted")

    assert f"is at offset 7 of {begun.source}[1], but Kafka holds 0 to 0" in message


def test_a_source_that_forgets_is_refused_unless_that_is_accepted(world: World) -> None:
    """A replay would lack events: shorten the retention."""
    world.recreate(world.source, SHORT)

    assert "has retention.ms=604800000" in refused(world, "stream-retention")
    assert world.record() is None
    assert found(world.kafka, world.topology, accept_retention=True)


def test_topics_of_its_own_that_forget_are_refused(world: World) -> None:
    """Nobody can accept that: shorten the retention of a repartition topic."""
    world.recreate(world.repartition, SHORT)

    with pytest.raises(Refusal, match=f"{world.repartition} has retention.ms=604800000"):
        found(world.kafka, world.topology, accept_retention=True)


def test_state_of_another_format_is_refused(begun: World) -> None:
    """A newer version has written it: ask as an older one."""
    with pytest.raises(Refusal, match="has format 1, this version of Mainstem writes 0") as caught:
        found(begun.kafka, replace(begun.topology, state_format=0))

    assert caught.value.name == "stream-record-format"


def test_a_record_that_nobody_can_read_is_refused(begun: World) -> None:
    """And is not written over: put something else in its place."""
    Founder(begun.kafka, begun.app).write(b'{"format":2}')

    assert "format 2" in refused(begun, "stream-record-format")


# -- beginning anew


def test_a_reset_forgets_everything_but_sources(begun: World) -> None:
    """The next start is a first one: reset, and look at topics, group and record."""
    begun.fill(begun.repartition, 3)
    begun.fill(begun.source, 3)
    begun.commit((begun.source, 0, 4))
    deleted = forget(begun.kafka, begun.app)
    left = Topics(begun.kafka).shapes([begun.source, begun.repartition, begun.changelog])
    begun.create(begun.repartition, KEPT)
    begun.create(begun.changelog, COMPACTED_TOPIC)

    assert sorted(deleted) == sorted([begun.repartition, begun.changelog])
    assert set(left) == {begun.source}
    assert begun.record() is None
    assert set(begun.committed().values()) == {-1001}
    assert found(begun.kafka, begun.topology)
    assert set(begun.committed().values()) == {0}


def test_a_reset_is_refused_while_instances_run(begun: World) -> None:
    """It would pull their state away: reset beside a live member."""
    with begun.member(), pytest.raises(ConfigurationError, match=f"application {begun.app} run"):
        forget(begun.kafka, begun.app)

    assert found(begun.kafka, begun.topology)


@pytest.mark.parametrize("step", ["group", "topics"])
def test_a_reset_that_was_cut_off_is_completed_by_another(begun: World, step: str) -> None:
    """No start slips in between: do its first steps, try a start, reset."""
    internal = [begun.repartition, begun.changelog]
    delete_group(begun.admin, begun.app)
    if step == "topics":
        delete_topics(Topics(begun.kafka), begun.admin, internal)
        begun.create(begun.repartition, KEPT)
        begun.create(begun.changelog, COMPACTED_TOPIC)
        refused(begun, "stream-topic-recreated")
    else:
        refused(begun, "stream-offsets-lost")

    assert sorted(forget(begun.kafka, begun.app)) == sorted(internal)
    assert begun.record() is None


def test_a_reset_of_what_never_began_is_an_error(world: World) -> None:
    """It is a wrong name, most likely: ask for one."""
    with pytest.raises(ConfigurationError, match="knows no stream application"):
        forget(world.kafka, world.app)
