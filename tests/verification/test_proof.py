"""verify() on real servers: it holds where it should, and finds whatever is planted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from uuid import uuid4

import pytest

from mainstem.errors import ServerUnavailable, UnknownTopic
from mainstem.event import format_lsn, parse_lsn
from mainstem.kafka.topics import create_event_topic
from mainstem.verification import Report, VerifySettings, verify
from tests.kafka.publisher import Publisher, delete_topic, record
from tests.verification.pair import Pair, Saved

pytestmark = pytest.mark.stack

NO_PROGRESS = "no_such_progress"
"""Replicators of other tests shall not tell this one when to stop."""
QUICK = VerifySettings(still_s=0.3, settle_s=0.2, progress_topic=NO_PROGRESS)
PATIENT = VerifySettings(timeout_s=60.0, still_s=30.0, progress_topic=NO_PROGRESS)


def verified(pair: Pair, settings: VerifySettings = QUICK) -> Report:
    """The report on the pair."""
    return verify(pair.database_url, pair.kafka, pair.topic, settings)


def counts(report: Report) -> dict[str, int]:
    """How many differences of each kind there are, without the kinds that have none."""
    return {kind: found.count for kind, found in report.by_kind.items() if found.count}


def test_it_holds_where_every_row_is_in_the_topic(pair: Pair) -> None:
    """Several transactions, an aborted one between them, and more rows than fit in a batch."""
    pair.publish(pair.save(600))
    saved = pair.save(10)
    with pair.publisher.aborted():
        pair.stage(saved[:5])
    pair.publish(saved)
    report = verified(pair)

    assert report.holds
    assert (report.rows, report.records, counts(report)) == (610, 610, {})
    assert report.table_hash == report.topic_hash
    assert report.up_to_lsn <= parse_lsn(pair.wal_lsn())


def test_empty_sides_hold(pair: Pair) -> None:
    """Nothing saved, nothing published."""
    report = verified(pair)

    assert report.holds
    assert (report.rows, report.records) == (0, 0)


def plant_missing(pair: Pair, saved: list[Saved]) -> None:
    """Leave one row out."""
    pair.publish([*saved[:4], *saved[5:]])


def plant_doubled(pair: Pair, saved: list[Saved]) -> None:
    """Publish one row again."""
    pair.publish(saved)
    pair.publish([saved[4]])


def plant_different(pair: Pair, saved: list[Saved]) -> None:
    """Change the row after it was published."""
    pair.publish(saved)
    pair.execute("UPDATE {} SET data = data || 'x' WHERE id = %s", saved[4].id)


def plant_unexpected(pair: Pair, saved: list[Saved]) -> None:
    """Take the row away after it was published."""
    pair.publish(saved)
    pair.execute("DELETE FROM {} WHERE id = %s", saved[4].id)


@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        ("missing", plant_missing),
        ("doubled", plant_doubled),
        ("different", plant_different),
        ("unexpected", plant_unexpected),
    ],
)
def test_a_planted_difference_is_named(
    pair: Pair, kind: str, plant: Callable[[Pair, list[Saved]], None]
) -> None:
    """One event of ten is wrong: its id and its kind are told, and nothing else."""
    saved = pair.save(10)
    plant(pair, saved)
    report = verified(pair)

    assert not report.holds
    assert counts(report) == {kind: 1}
    assert report.by_kind[kind].ids == (saved[4].id,)
    assert report.table_hash != report.topic_hash


def test_an_event_out_of_its_turn_is_named(pair: Pair) -> None:
    """Equal sets, yet one event came after later ones (all of one key, so of one partition)."""
    saved = [each for each in pair.save(30) if each.record.key == b"key-1"]
    pair.execute("DELETE FROM {} WHERE key <> 'key-1'")
    pair.publish([saved[0], *saved[2:]])
    with pair.publisher.transaction():
        pair.stage([saved[1]], lsn=1)
    report = verified(pair)

    assert counts(report) == {"disordered": 1}
    assert report.disordered.ids == (saved[1].id,)
    assert report.table_hash == report.topic_hash


def test_a_message_that_is_no_event_is_told_by_its_place(pair: Pair) -> None:
    """A tombstone in the topic: no id, but a partition and an offset."""
    pair.publish(pair.save(1), partition=0)
    with pair.publisher.transaction():
        pair.publisher.publish_raw(pair.topic, (b"key", None, 1, []), partition=1)
    report = verified(pair)

    assert report.unexpected.count == 1
    assert str(report.unexpected.first[0]) == "no id at [1]@0"


def test_rows_that_are_still_on_their_way_are_waited_for(pair: Pair) -> None:
    """A replicator that is behind: the messages come while verify waits."""
    saved = pair.save(50)
    behind = threading.Timer(0.5, pair.publish, [saved])
    behind.start()
    report = verified(pair, PATIENT)
    behind.join()

    assert report.holds
    assert report.records == 50


def test_an_open_transaction_is_waited_for(pair: Pair) -> None:
    """Rows behind another producer's open transaction are hidden, not missing."""
    stranger = Publisher(pair.kafka)
    stranger.begin()
    stranger.publish_raw(pair.topic, (b"key-0", b"never", 1, []), partition=0)
    stranger.flush()
    pair.publish(pair.save(20))
    ending = threading.Timer(0.5, stranger.commit)
    ending.start()
    report = verified(pair, PATIENT)
    ending.join()

    assert counts(report) == {"unexpected": 1}
    assert report.records == 21


def test_what_the_replicator_has_passed_is_missing_at_once(pair: Pair) -> None:
    """Its progress lies beyond the snapshot: no use in waiting for what is not there."""
    progress_topic = f"progress_{uuid4().hex}"
    create_event_topic(pair.kafka, progress_topic, partitions=1)
    saved = pair.save(3)
    pair.publish(saved[:2])
    beyond = format_lsn(parse_lsn(pair.wal_lsn()) + 0x1000000)
    value = json.dumps({"flushed_lsn": beyond, "topics": {pair.topic: {}}}).encode()
    with pair.publisher.transaction():
        pair.publisher.publish_raw(progress_topic, (b"main", value, 1, []))
        pair.publisher.publish_raw(progress_topic, (b"other", b"no JSON", 1, []))
    settings = VerifySettings(timeout_s=60.0, still_s=30.0, progress_topic=progress_topic)
    report = verified(pair, settings)
    delete_topic(pair.kafka, progress_topic)

    assert report.missing.ids == (saved[2].id,)
    assert report.seconds < 15


def test_it_holds_while_writers_and_the_replicator_run(pair: Pair) -> None:
    """Rows are saved and published all the time; three comparisons in a row find nothing."""
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            pair.publish(pair.save(20))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [verified(pair, PATIENT) for _ in range(3)]
    finally:
        enough.set()
        writer.join()

    assert [counts(report) for report in reports] == [{}, {}, {}]
    assert all(report.holds for report in reports)
    assert 0 < reports[0].rows < reports[2].rows


KEYS = [
    ("uuid", "'6F1C0000-0000-4000-8000-000000000001'", b"6f1c0000-0000-4000-8000-000000000001"),
    ("numeric(12,3)", "'0'", b"0.000"),
    ("bigint", "-5", b"-5"),
    ("boolean", "true", b"true"),
    ("bytea", r"'\xff00'", b"\xff\x00"),
    ("text", "'é'", "é".encode()),
]


@pytest.mark.parametrize(("key_type", "literal", "wire"), KEYS, ids=[key[0] for key in KEYS])
def test_keys_are_compared_as_they_are_on_the_wire(
    pair: Pair, key_type: str, literal: str, wire: bytes
) -> None:
    """Each key type, in a table of the original's first shape, without metadata."""
    pair.execute("ALTER TABLE {} DROP COLUMN metadata, DROP COLUMN key")
    pair.execute(f"ALTER TABLE {{}} ADD COLUMN key {key_type} NOT NULL")
    when = "2020-01-01 00:00:00.001999Z"
    pair.execute(f"INSERT INTO {{}} (key, data, timestamp) VALUES ({literal}, 'data', '{when}')")
    each = record(1, key=wire, data=b"data")._replace(timestamp_ms=1577836800001)
    pair.publish([Saved(1, each)])

    assert verified(pair).holds


def test_many_chunks_are_one_snapshot(pair: Pair) -> None:
    """12,000 rows by one statement, read in several chunks: all are counted, none twice."""
    pair.execute(
        "INSERT INTO {} (key, data, timestamp)"
        " SELECT 'k', '\\x00'::bytea, now() FROM generate_series(1, 12000)"
    )
    report = verified(pair)

    assert (report.rows, report.missing.count) == (12000, 12000)


def test_a_table_that_does_not_exist_is_named(pair: Pair) -> None:
    """UnknownTopic, and Kafka is not asked."""
    with pytest.raises(UnknownTopic, match="absent_events"):
        verify(pair.database_url, pair.kafka, "absent_events")


def test_a_topic_that_does_not_exist_is_named(pair: Pair) -> None:
    """The table is there, but nothing ever replicated it."""
    delete_topic(pair.kafka, pair.topic)
    with pytest.raises(UnknownTopic, match="Kafka has no topic"):
        verified(pair)


def test_servers_that_are_away_are_unavailable(pair: Pair) -> None:
    """Either of them: an error to try again later, never a verdict."""
    with pytest.raises(ServerUnavailable):
        verify("postgresql://127.0.0.1:1/none", pair.kafka, pair.topic)


def test_progress_is_told_while_it_reads(pair: Pair) -> None:
    """The observer hears of rows and of messages."""
    pair.publish(pair.save(3))
    heard: list[tuple[str, int]] = []
    verify(pair.database_url, pair.kafka, pair.topic, QUICK, lambda *told: heard.append(told))

    assert ("rows", 3) in heard
    assert ("messages", 3) in heard
