"""What a rebuild is going to do, from the class and the options."""

from __future__ import annotations

import pytest

from mainstem.errors import ConfigurationError, InvalidName
from mainstem.event import parse_lsn
from mainstem.kafka.delivered import Place
from mainstem.projection.definition import define
from mainstem.projection.rebuilding.planning import (
    FromLsn,
    FromOffset,
    FromTime,
    behind,
    beyond,
    first_lsn,
    furthest,
    parse_beginning,
    plan_rebuild,
)
from tests.projection.rebuilding.shop import Totals, TotalsBySecondVersion

HERE = Place("orders", 0)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("orders[2]@17", FromOffset(Place("orders", 2), 17)),
        ("0/2A1DC28", FromLsn(parse_lsn("0/2A1DC28"))),
        ("2026-01-31T00:00:00Z", FromTime(1_769_817_600_000)),
        ("2026-01-31", FromTime(1_769_817_600_000)),
    ],
)
def test_a_position_is_read_as_people_write_it(text: str, position: object) -> None:
    """Each of the three kinds: parse it."""
    assert parse_beginning(text) == position


@pytest.mark.parametrize("text", ["", "yesterday", "0/zz", "orders[]@1", "orders[1]"])
def test_what_is_no_position_is_an_error_that_shows_some(text: str) -> None:
    """A slip of the pen is told: parse it."""
    with pytest.raises(ConfigurationError) as caught:
        parse_beginning(text)

    assert "order_events[3]@1200" in caught.value.hint


def test_the_shadow_has_a_group_and_a_schema_of_its_own() -> None:
    """Nothing of what serves is used: compare names."""
    plan = plan_rebuild(define(Totals))
    trial = plan_rebuild(define(Totals), trial=True)

    assert plan.serving == ("totals.v1", "public")
    assert plan.shadow == ("totals.v1.rebuild", "totals_rebuild")
    assert trial.shadow == ("totals.v1.trial", "totals_trial")
    assert plan.old_schema == "totals_old"


def test_other_code_is_another_fingerprint() -> None:
    """A half-built shadow must not be finished by other code: compare two versions, two starts."""
    plan = plan_rebuild(define(Totals))

    assert plan.mark == plan_rebuild(define(Totals)).mark
    assert plan.fingerprint != plan_rebuild(define(TotalsBySecondVersion)).fingerprint
    assert plan.fingerprint != plan_rebuild(define(Totals), ["0/1"]).fingerprint


def test_a_projection_without_tables_cannot_be_rebuilt() -> None:
    """The class must say what it writes to: leave it out."""
    untold = type("Untold", (Totals,), {"tables": ()})

    with pytest.raises(ConfigurationError, match="which tables"):
        plan_rebuild(define(untold))


def test_a_name_too_long_for_a_schema_is_refused() -> None:
    """PostgreSQL would cut it off silently: take the longest name that a projection may have."""
    long = type("Long", (Totals,), {"name": "p" * 63})

    with pytest.raises(InvalidName):
        plan_rebuild(define(long))


def test_a_place_of_a_topic_that_is_not_read_is_refused() -> None:
    """Most likely a mix-up: give one."""
    with pytest.raises(ConfigurationError, match="does not read invoices"):
        plan_rebuild(define(Totals), ["invoices[0]@1"])


def test_distances_count_what_is_missing_only() -> None:
    """A partition that is ahead makes up for none that is behind: two partitions."""
    there = Place("orders", 1)

    assert behind({HERE: 5, there: 9}, {HERE: 7, there: 3}) == 2
    assert beyond({HERE: 5, there: 9}, {HERE: 7, there: 3})
    assert not beyond({HERE: 5}, {HERE: 5})
    assert furthest({HERE: 5}, {HERE: 4, there: 1}) == {HERE: 5, there: 1}
    assert first_lsn([FromTime(1), FromLsn(7)]) == 7
