"""The projector: offsets, markers, members that come and go, and conditions that are broken."""

from __future__ import annotations

import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from mainstem.errors import ConfigurationError, Refusal, Superseded
from mainstem.kafka.topics import create_event_topic
from mainstem.projection.applier import Applier
from mainstem.projection.batch import Batch, Move
from mainstem.projection.definition import Definition
from mainstem.projection.errors import OffsetsMoved
from mainstem.projection.projector import Projector
from tests.kafka.publisher import delete_topic
from tests.projection.running.journal import PsycopgJournal
from tests.projection.running.scene import Scene, Sold, until

IDS = "SELECT id FROM journal ORDER BY id"
OFFSETS = 'SELECT "offset" FROM _mainstem.projection_offsets ORDER BY "partition"'
STOP_S_MAX = 5.0


def test_markers_of_transactions_count_as_done_once_it_is_quiet(scene: Scene) -> None:
    """Behind the last event of each partition there is a marker; the offsets end behind it."""
    definition = scene.define(PsycopgJournal)
    for partition in (0, 1):
        scene.publish([Sold(number=n) for n in range(10)], partition=partition)
    scene.drain(definition)
    ends = sum(offset + 1 for (offset,) in scene.rows(OFFSETS))

    assert ends == 20 + 2


def test_aborted_events_are_never_seen(scene: Scene) -> None:
    """Between two committed ones, a transaction is aborted."""
    definition = scene.define(PsycopgJournal)
    scene.publish_sold(2)
    with scene.publisher.aborted():
        scene.publisher.publish_raw(scene.topic, (b"k", b"v", 1, ()), partition=0)
    scene.publish_sold(2)
    scene.drain(definition)

    assert scene.rows(IDS) == [(1,), (2,), (3,), (4,)]


def test_members_share_partitions_and_hand_them_over(scene: Scene) -> None:
    """A second member joins and leaves while events come: each is applied once."""
    definition = scene.define(PsycopgJournal)
    with scene.running(definition):
        scene.publish_sold(10)
        until(lambda: len(scene.rows(IDS)) == 10)
        told = len(scene.told.statuses)
        with scene.running(definition):
            until(lambda: {each.assigned for each in scene.told.statuses[told:][-6:]} == {1})
            scene.publish_sold(10)
            until(lambda: len(scene.rows(IDS)) == 20)
        scene.publish_sold(10)
        until(lambda: len(scene.rows(IDS)) == 30)

    assert scene.rows(IDS) == [(n + 1,) for n in range(30)]


def test_lanes_apply_partitions_side_by_side(scene: Scene) -> None:
    """Two lanes, two partitions: the outcome is that of one."""
    definition = scene.define(PsycopgJournal)
    scene.publish_sold(50)
    scene.drain(definition, lanes=2, batch_events_max=7)

    assert scene.rows(IDS) == [(n + 1,) for n in range(50)]


def test_a_member_whose_offsets_were_moved_applies_nothing(scene: Scene) -> None:
    """Its transaction fails by the compare-and-set, with all that it wrote."""
    definition = scene.define(PsycopgJournal)
    scene.publish_sold(1)
    scene.drain(definition)
    topic_id = scene.one("SELECT topic_id FROM _mainstem.projection_offsets LIMIT 1")
    stale = Move(scene.topic, 0, topic_id, -7, 5, None, 0)
    applier = Applier(definition, definition.seat, scene.dsn)

    with pytest.raises(OffsetsMoved):
        applier.apply(Batch([], (stale,)))
    applier.close()


def test_a_running_member_goes_on_from_offsets_that_were_moved(scene: Scene) -> None:
    """Somebody sets the offsets back; the next batch fails once, and nothing is left out."""
    definition = scene.define(PsycopgJournal)
    with scene.running(definition):
        scene.publish_sold(10)
        until(lambda: len(scene.rows(IDS)) == 10)
        scene.rows("TRUNCATE journal")
        scene.rows('UPDATE _mainstem.projection_offsets SET "offset" = -1, lsn = NULL')
        scene.publish_sold(2)
        until(lambda: len(scene.rows(IDS)) == 12)
        until(lambda: scene.told.statuses[-1].cas_failures > 0)

    assert scene.rows(IDS) == [(n + 1,) for n in range(12)]


def test_it_stops_within_five_seconds(scene: Scene) -> None:
    """While events come."""
    definition = scene.define(PsycopgJournal)
    scene.publish_sold(100)
    with scene.running(definition, batch_events_max=1):
        until(lambda: scene.rows(IDS))
        asked_s = time.monotonic()

    assert time.monotonic() - asked_s < STOP_S_MAX


def test_a_topic_that_was_created_again_is_refused(scene: Scene) -> None:
    """The offsets speak of other events."""
    definition = scene.define(PsycopgJournal)
    scene.publish_sold(3)
    scene.drain(definition)
    delete_topic(scene.kafka, scene.topic)
    until(lambda: create_event_topic(scene.kafka, scene.topic, partitions=2))

    with pytest.raises(Refusal) as refused:
        scene.drain(definition)
    assert refused.value.name == "projection-topic-recreated"


def test_events_that_kafka_no_longer_holds_are_refused(scene: Scene) -> None:
    """The first event of a partition was deleted before it was applied: it is never skipped."""
    definition = scene.define(PsycopgJournal)
    for partition in (0, 1):
        scene.publish([Sold(number=n) for n in range(5)], partition=partition)
    admin = AdminClient({**scene.kafka.config()})
    gone = [TopicPartition(scene.topic, partition, 1) for partition in (0, 1)]
    for future in admin.delete_records(gone).values():
        future.result(10)

    with pytest.raises(Refusal) as refused:
        scene.drain(definition)
    assert refused.value.name == "topic-recreated"
    assert scene.rows(IDS) == []


def test_a_retired_projection_ends_by_name(scene: Scene) -> None:
    """Another version took its tables over while it ran."""
    definition = scene.define(PsycopgJournal)
    with pytest.raises(Refusal) as refused, scene.running(definition) as projector:
        retire(scene, projector)
    assert refused.value.name == "projection-retired"


def retire(scene: Scene, projector: Projector) -> None:
    """Let the projection work, then end its version as a rebuild of the next one does."""
    scene.publish_sold(2)
    until(lambda: len(scene.rows(IDS)) == 2)
    scene.rows("UPDATE _mainstem.projections SET state = 'retired'")
    scene.rows("UPDATE _mainstem.projection_offsets SET topic_id = 'retired'")
    scene.publish_sold(4)
    until(lambda: projector.ended)


def test_two_versions_do_not_share_tables(scene: Scene) -> None:
    """The second one is refused while the first one serves."""
    scene.publish_sold(2)
    scene.drain(scene.define(PsycopgJournal))
    second = type("Journal", (PsycopgJournal,), {"version": 2})

    with pytest.raises(Refusal) as refused:
        scene.drain(scene.define(second))
    assert refused.value.name == "projection-tables-taken"


def test_a_database_without_the_tables_is_told_so(scene: Scene) -> None:
    """The error says which command makes them."""
    definition = scene.define(PsycopgJournal)
    scene.rows("DROP TABLE _mainstem.projection_offsets")

    with pytest.raises(ConfigurationError, match="lacks the tables"):
        scene.drain(definition)


def test_a_twin_of_the_same_instance_takes_over_for_good(scene: Scene) -> None:
    """The first one ends and says why; it does not throw the second one out in turn."""
    definition = scene.define(PsycopgJournal)
    with pytest.raises(Superseded), scene.running(definition, instance="one") as first:
        take_over(scene, definition, first)

    assert scene.rows(IDS) == [(1,), (2,), (3,), (4,)]


def take_over(scene: Scene, definition: Definition, first: Projector) -> None:
    """Start a twin while the first one works, and let it apply the rest."""
    scene.publish_sold(2)
    until(lambda: len(scene.rows(IDS)) == 2)
    with scene.running(definition, instance="one"):
        until(lambda: first.ended)
        scene.publish_sold(2)
        until(lambda: len(scene.rows(IDS)) == 4)
