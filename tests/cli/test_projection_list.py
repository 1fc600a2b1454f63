"""`mainstem projection list`: what it says of a known state of the tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mainstem.cli.main import exit_code
from mainstem.cli.projection import COLUMNS, age, behind, cells, remarks, table
from mainstem.kafka import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.projection.listing.figures import Halt, Known, Lag, Listed
from tests.projection.rebuilding.shop import PARTITIONS, Shop, opened

MINUTE_S = 60.0


@pytest.fixture
def shop(fresh_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Shop]:
    """A topic with thirty orders, and a database of the test's own."""
    with opened(fresh_database, kafka, topic) as shop:
        shop.order(30)
        yield shop


def register(shop: Shop, group: str, state: str = "serving", topic: str | None = None) -> None:
    """Put a projection into the table, as a projector does."""
    name, _, version = group.partition(".v")
    shop.run(
        'INSERT INTO _mainstem.projections ("group", name, version, state, schema, topics, tables)'
        f" VALUES ('{group}', '{name}', {version}, '{state}', 'public',"
        f" ARRAY['{topic or shop.topic}'], '{{}}')"
    )


def reach(shop: Shop, group: str, partition: int, offset: int, events: int = 0) -> None:
    """Let a projection be done with a partition up to this offset."""
    facts = Topics(shop.kafka).describe([shop.topic], with_ends=False)[shop.topic]
    shop.run(
        "INSERT INTO _mainstem.projection_offsets"
        ' ("group", topic, "partition", topic_id, "offset", events)'
        f" VALUES ('{group}', '{shop.topic}', {partition}, '{facts.topic_id}', {offset}, {events})"
    )


def ends(shop: Shop) -> dict[int, int]:
    """Where the partitions end, once the commit is marked in each of them: it takes a moment."""
    topics, until_s = Topics(shop.kafka), time.monotonic() + MINUTE_S
    while (found := topics.ends(shop.topic, PARTITIONS)) != topics.ends(
        shop.topic, PARTITIONS, committed=True
    ):
        assert time.monotonic() < until_s, "the commit was not marked"
    return found


def said(shop: Shop, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command prints."""
    servers = ["--database-url", shop.database_url, "--kafka-bootstrap", shop.kafka.bootstrap]
    capsys.readouterr()
    assert exit_code(["projection", "list", *servers, "--interval-s", "0", *options]) == 0
    return capsys.readouterr().out


def objects(shop: Shop, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What it prints as JSON."""
    return [json.loads(line) for line in said(shop, capsys, "--json").splitlines()]


@pytest.mark.stack
def test_lag_is_what_lies_between_the_offsets_and_the_ends(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """One partition is done with, one is not begun, one has no row yet: two count as behind."""
    register(shop, "totals.v1")
    there = ends(shop)
    reach(shop, "totals.v1", 0, there[0] - 1, events=8)
    reach(shop, "totals.v1", 1, -1)
    (found,) = objects(shop, capsys)

    assert found["lag_events"] == there[1] + there[2]
    assert 0 < found["lag_s"] < MINUTE_S
    assert (found["partitions"], found["events"]) == (PARTITIONS, 8)
    assert (found["state"], found["members"], found["events_per_s"]) == ("stopped", 0, None)


@pytest.mark.stack
def test_markers_alone_are_no_lag(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A projector ended before it noted the markers at the ends: nothing is behind."""
    register(shop, "totals.v1")
    for partition, end in ends(shop).items():
        reach(shop, "totals.v1", partition, end - 2)
    (found,) = objects(shop, capsys)

    assert (found["lag_events"], found["lag_s"]) == (0, 0.0)


@pytest.mark.stack
def test_errors_are_counted_and_halts_are_placed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """One halt and two letters, of which one is given up: the table, and the line below it."""
    register(shop, "totals.v1")
    reach(shop, "totals.v1", 0, 1)
    shop.run(
        'INSERT INTO _mainstem.projection_halts ("group", topic, "partition", "offset", event_id,'
        " error_type, error, attempts, halted_at)"
        f" VALUES ('totals.v1', '{shop.topic}', 0, 2, 17, 'ValueError', 'secret', 3,"
        " '2026-01-31 09:00:00Z')"
    )
    shop.run(
        'INSERT INTO _mainstem.dead_letters ("group", topic, "partition", "offset", timestamp_ms,'
        " error_type, error, attempts, state)"
        f" VALUES ('totals.v1', '{shop.topic}', 1, 0, 0, 'ValueError', 'secret', 1, 'waiting'),"
        f" ('totals.v1', '{shop.topic}', 1, 1, 0, 'ValueError', 'secret', 1, 'discarded')"
    )
    text = said(shop, capsys)

    assert "totals.v1   halted" in text
    assert "1 halted, 1 dead letter\n" in text
    assert (
        f"totals.v1 halted at {shop.topic}[0]@2 (id 17)"
        " since 2026-01-31 09:00:00Z: ValueError, 3 attempts\n"
    ) in text
    assert "secret" not in text


@pytest.mark.stack
def test_where_nobody_can_know_the_lag_it_says_why(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Retired, never begun, a topic that is gone, a topic that was made anew."""
    register(shop, "a.v1", "retired")
    register(shop, "b.v1")
    register(shop, "c.v1", topic="gone_events")
    register(shop, "d.v1")
    for group in ("c.v1", "d.v1"):
        reach(shop, group, 0, 1)
    shop.run(
        "UPDATE _mainstem.projection_offsets SET topic = 'gone_events' WHERE \"group\" = 'c.v1'"
    )
    shop.run("UPDATE _mainstem.projection_offsets SET topic_id = 'x' WHERE \"group\" = 'd.v1'")
    found = objects(shop, capsys)

    assert [each["lag_events"] for each in found] == [None] * 4
    assert [each["lag_unknown"] for each in found] == [
        "retired: nothing is applied any more",
        "no offsets are here: it never ran, or keeps them in a table of its own",
        "Kafka has no topic gone_events",
        f"Kafka's topic {shop.topic} is another one than was read",
    ]


@pytest.mark.stack
def test_a_database_without_projections_says_how_to_run_one(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on stdout, for there is no data."""
    assert not said(shop, capsys)


@pytest.mark.stack
def test_a_database_without_our_tables_is_told_apart(
    fresh_database: str, kafka: KafkaSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and the command that helps."""
    servers = ["--database-url", fresh_database, "--kafka-bootstrap", kafka.bootstrap]
    code = exit_code(["projection", "list", *servers])

    assert code == 2
    assert "mainstem init" in capsys.readouterr().err


KNOWN = Known("orders.v2", "orders", 2, "serving", "public", ["order_events"], 3)
HALT = Halt("order_events", 2, 118, None, "ValueError", 1, datetime(2026, 1, 31, 9, tzinfo=UTC))


def listed(**changes: Any) -> Listed:
    """A projection that is well, but for the changes."""
    well = Listed(KNOWN, 2, 6, Lag(0, 0.0), "", 39_529, 118.4, ())
    return well._replace(**changes)


@pytest.mark.parametrize(
    ("state", "members", "halts", "told"),
    [
        ("serving", 1, (), "running"),
        ("serving", 0, (), "stopped"),
        ("serving", 1, (HALT,), "halted"),
        ("building", 0, (), "building"),
        ("retired", 0, (HALT,), "retired"),
    ],
)
def test_one_word_says_how_it_is(
    state: str, members: int, halts: tuple[Halt, ...], told: str
) -> None:
    """What an operator must know first goes before the rest."""
    found = listed(known=KNOWN._replace(state=state), members=members, halts=halts)

    assert found.state == told


def test_columns_are_as_wide_as_they_must_be() -> None:
    """Numbers stand on the right, words on the left, and nothing trails."""
    lines = table([COLUMNS, cells(listed(lag=Lag(1204, 432.0)))])

    assert lines == [
        "projection  state    members  partitions  events  events/s  behind         errors",
        "orders.v2   running        2           6  39,529       118  1,204 · 7 min  3 dead letters",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (95.2, "95 s"),
        (432.0, "7 min"),
        (7200.0, "2 h"),
        (172_800.0, "2 d"),
    ],
)
def test_an_age_has_the_unit_that_fits(seconds: float, text: str) -> None:
    """Nobody counts thousands of seconds."""
    assert age(seconds) == text


def test_what_is_not_known_is_no_zero() -> None:
    """A question mark, and a line that says why."""
    found = listed(lag=None, unknown="Kafka has no topic order_events")

    assert behind(found.lag) == "?"
    assert remarks([found]) == ["", "orders.v2 ? Kafka has no topic order_events"]
