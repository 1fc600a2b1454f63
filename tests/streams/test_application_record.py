"""The record of an application is read as it was written, and each broken condition has a name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.errors import ConfigurationError, Refusal
from mainstem.kafka.delivered import Place
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, TopicFacts
from mainstem.streams.application_record import (
    ApplicationRecord,
    Reached,
    Role,
    TopicState,
    Topology,
    Traces,
    check_extension,
    check_reached,
    check_record,
    check_record_topic,
    check_retention,
    check_vacant,
    forgetting,
)

KEPT = {"cleanup.policy": "delete", **EVENT_TOPIC}
COMPACTED = {"retention.bytes": "-1", **COMPACTED_TOPIC}
TOPOLOGY = Topology(
    app="orders", sources=("s",), repartitions=("r",), changelogs=("c",), state_format=1
)
FACTS = {
    "s": TopicFacts("s", "id-s", 2, KEPT, empty=False),
    "r": TopicFacts("r", "id-r", 2, KEPT, empty=True),
    "c": TopicFacts("c", "id-c", 2, COMPACTED, empty=True),
}
RECORD = ApplicationRecord(1).extended(TOPOLOGY, FACTS)
NONE = Traces(frozenset(), 0, frozenset())
S0, S1 = Place("s", 0), Place("s", 1)

states = st.builds(
    TopicState,
    topic_id=st.text(),
    partitions=st.integers(1, 100),
    role=st.sampled_from(Role),
)
records = st.builds(
    ApplicationRecord, state_format=st.integers(), topics=st.dictionaries(st.text(), states)
)


@given(records)
def test_a_record_is_read_as_it_was_written(record: ApplicationRecord) -> None:
    """Nothing is lost on the way: encode and decode."""
    assert ApplicationRecord.decode("orders", record.encode()) == record


@given(st.binary() | st.recursive(st.none() | st.integers(), st.lists).map(repr).map(str.encode))
def test_foreign_bytes_are_refused_by_name(data: bytes) -> None:
    """Whatever stands in the topic, there is a refusal and no other error: decode any bytes."""
    with pytest.raises(Refusal) as caught:
        ApplicationRecord.decode("orders", data)

    assert caught.value.name == "stream-record-format"


def test_a_record_of_a_newer_format_is_refused_with_its_number() -> None:
    """The message says which version wrote it: raise the number."""
    fields = {**json.loads(RECORD.encode()), "format": 7}

    with pytest.raises(Refusal, match="format 7, this version of Mainstem reads 1") as caught:
        ApplicationRecord.decode("orders", json.dumps(fields).encode())

    assert caught.value.name == "stream-record-format"


def test_a_record_keeps_topics_that_the_program_no_longer_uses() -> None:
    """They may come back, and their offsets are still there: take one out and add another."""
    program = replace(TOPOLOGY, sources=("t",))
    facts = {**FACTS, "t": TopicFacts("t", "id-t", 1, KEPT, empty=True)}

    assert RECORD.lacks(program) == ["t"]
    assert set(RECORD.extended(program, facts).topics) == {"s", "r", "c", "t"}
    assert RECORD.extended(program, facts).topics["t"] == TopicState("id-t", 1, Role.SOURCE)
    assert RECORD.internal() == ["r", "c"]


def test_an_unchanged_world_passes() -> None:
    """No false alarm: check what was recorded just now."""
    check_retention(TOPOLOGY, FACTS, accept_retention=False)
    check_record(TOPOLOGY, RECORD, FACTS)
    check_reached("orders", Reached({S0: 0, S1: 3}, {S0: 0, S1: 9}, {S0: 0, S1: 9}))
    check_vacant("orders", NONE)

    assert not RECORD.lacks(TOPOLOGY)


def test_state_of_another_format_is_refused() -> None:
    """Its bytes would be read wrongly: ask for another format."""
    with pytest.raises(Refusal, match="has format 1, this version of Mainstem writes 2") as caught:
        check_record(replace(TOPOLOGY, state_format=2), RECORD, FACTS)

    assert caught.value.name == "stream-record-format"


@pytest.mark.parametrize("name", FACTS)
def test_another_topic_of_the_same_name_is_refused(name: str) -> None:
    """Whatever its role: change the id."""
    facts = {**FACTS, name: FACTS[name]._replace(topic_id="other")}

    with pytest.raises(Refusal, match=f"topic {name} of id id-{name}, which has id oth") as caught:
        check_record(TOPOLOGY, RECORD, facts)

    assert caught.value.name == "stream-topic-recreated"
    assert ("mainstem stream reset orders" in caught.value.message) == (name == "c")


@pytest.mark.parametrize("name", FACTS)
def test_another_number_of_partitions_is_refused(name: str) -> None:
    """State is by partition: change the number."""
    facts = {**FACTS, name: FACTS[name]._replace(partitions=3)}

    with pytest.raises(Refusal, match=f"began with 2 partitions of .* {name}, which has 3 now") as (
        caught
    ):
        check_record(TOPOLOGY, RECORD, facts)

    assert caught.value.name == "stream-partitions-changed"


@pytest.mark.parametrize(
    ("role", "settings", "problem"),
    [
        (Role.SOURCE, KEPT, ""),
        (Role.SOURCE, KEPT | {"retention.ms": "60"}, "retention.ms=60"),
        (Role.SOURCE, KEPT | {"retention.bytes": "9"}, "retention.bytes=9"),
        (Role.SOURCE, KEPT | {"cleanup.policy": "compact", "retention.ms": "60"}, ""),
        (
            Role.SOURCE,
            KEPT | {"cleanup.policy": "compact,delete", "retention.ms": "60"},
            "retention.ms=60",
        ),
        (Role.REPARTITION, KEPT, ""),
        (Role.REPARTITION, KEPT | {"retention.ms": "60"}, "retention.ms=60"),
        (
            Role.REPARTITION,
            KEPT | {"cleanup.policy": "compact"},
            "cleanup.policy=compact, which deletes older records of a key",
        ),
        (Role.CHANGELOG, COMPACTED, ""),
        (
            Role.CHANGELOG,
            KEPT,
            "cleanup.policy=delete, under which it grows for ever or forgets",
        ),
        (
            Role.CHANGELOG,
            COMPACTED | {"cleanup.policy": "compact, delete", "retention.ms": "60"},
            "retention.ms=60",
        ),
    ],
)
def test_a_topic_forgets_by_its_role(role: Role, settings: dict[str, str], problem: str) -> None:
    """What harms one role is right for another: ask for each."""
    assert forgetting(role, settings) == problem


def test_records_are_not_kept_where_they_would_be_deleted() -> None:
    """An application would begin again one day: ask for a topic that is not compacted."""
    check_record_topic(FACTS["c"])

    with pytest.raises(Refusal, match=r"topic of records s has cleanup.policy=delete") as caught:
        check_record_topic(FACTS["s"])

    assert caught.value.name == "stream-retention"


@pytest.mark.parametrize("name", FACTS)
def test_only_sources_may_be_allowed_to_forget(name: str) -> None:
    """Who accepts it for sources does not accept it for state: shorten each in turn."""
    short = {**FACTS[name].settings, "cleanup.policy": "delete", "retention.ms": "60"}
    facts = {**FACTS, name: FACTS[name]._replace(settings=short)}
    if name == "s":
        check_retention(TOPOLOGY, facts, accept_retention=True)

    with pytest.raises(Refusal, match=f" topic {name} has ") as caught:
        check_retention(TOPOLOGY, facts, accept_retention=name != "s")

    assert caught.value.name == "stream-retention"


def test_a_lost_offset_is_refused_with_how_many_there_are() -> None:
    """The message names one of them: leave both out, then one."""
    firsts, ends = {S0: 0, S1: 0}, {S0: 5, S1: 5}

    with pytest.raises(Refusal, match=r"no offset of s\[0\] and of 1 other partitions any more"):
        check_reached("orders", Reached(firsts, {}, ends))
    with pytest.raises(Refusal, match=r"no offset of s\[1\] any more") as caught:
        check_reached("orders", Reached(firsts, {S0: 1}, ends))

    assert caught.value.name == "stream-offsets-lost"


@pytest.mark.parametrize("offset", [2, 10])
def test_an_offset_that_kafka_does_not_hold_is_refused(offset: int) -> None:
    """Below the first or beyond the end: both mean lost events."""
    with pytest.raises(Refusal, match=rf"at offset {offset} of s\[0\], .* 3 to 9") as caught:
        check_reached("orders", Reached({S0: 3}, {S0: offset}, {S0: 9}))

    assert caught.value.name == "stream-events-deleted"


@pytest.mark.parametrize(
    ("kept", "members", "filled", "problem"),
    [
        ({"s"}, 0, set(), "its group has offsets of s"),
        (set(), 2, set(), "its group has 2 members"),
        (set(), 0, {"c"}, "there are records in c"),
    ],
)
def test_what_somebody_uses_is_refused(
    kept: set[str], members: int, filled: set[str], problem: str
) -> None:
    """Each sign of another one is enough, and is named."""
    with pytest.raises(Refusal, match=problem) as caught:
        check_vacant("orders", Traces(frozenset(kept), members, frozenset(filled)))

    assert caught.value.name == "stream-group-taken"


def test_topics_are_added_while_nothing_runs() -> None:
    """Offsets of the other topics are the application's own: add one, with and without members."""
    check_extension("orders", ["t"], NONE._replace(kept=frozenset("s"), filled=frozenset("c")))

    with pytest.raises(ConfigurationError, match=r"than before \(t\), while 2 instances"):
        check_extension("orders", ["t"], NONE._replace(members=2))
    with pytest.raises(Refusal, match="its group has offsets of t"):
        check_extension("orders", ["t"], NONE._replace(kept=frozenset("st")))
