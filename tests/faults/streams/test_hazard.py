"""The hazard: an instance dies inside its commit, another takes over, and a third one after it.

What the first one left open hides what the second one committed. Who restores state to the last
stable offset, as the engine does by itself, takes the state of before for the newest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from mainstem.kafka import KafkaSettings
from tests.faults.streams.field import Field, Verdict
from tests.faults.streams.storm import Feeding

OPEN_S = 25.0
"""The dead one's transaction stays open so long where harm is to be done in the meantime."""
pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize("kind", ["count", pytest.param("window", marks=pytest.mark.nightly)])
def test_whoever_takes_over_waits_for_the_dead(
    kind: str, kafka: KafkaSettings, tmp_path: Path
) -> None:
    """Three instances, one after another, as they are by default."""
    with Field(kafka, kind, tmp_path) as field:
        verdict = hazard(field, "abc")

    assert verdict.right, verdict


def test_without_the_guard_state_is_of_the_past(kafka: KafkaSettings, tmp_path: Path) -> None:
    """The same on the engine's own recovery: the harm that the guard keeps away."""
    with Field(kafka, "count", tmp_path) as field:
        verdict = hazard(field, "abc", bugs=("unguarded",), transaction_s=OPEN_S)

    assert verdict.wrong > 0
    assert (verdict.doubled, verdict.missing) == (0, 0)


@pytest.mark.nightly
def test_a_stable_id_fences_the_dead_one(kafka: KafkaSettings, tmp_path: Path) -> None:
    """One static instance that comes back is right even without the guard: its start aborts."""
    orders = {"bugs": ("unguarded",), "transaction_s": OPEN_S, "static": True}
    with Field(kafka, "count", tmp_path) as field:
        verdict = hazard(field, "aaa", **orders)

    assert verdict.right, verdict


def test_a_random_id_fences_nobody(kafka: KafkaSettings, tmp_path: Path) -> None:
    """The same with another transactional id after each start."""
    orders = {"bugs": ("unguarded", "random-id"), "transaction_s": OPEN_S, "static": True}
    with Field(kafka, "count", tmp_path) as field:
        verdict = hazard(field, "aaa", **orders)

    assert verdict.wrong > 0


@pytest.mark.parametrize("buggy", [False, True], ids=["sound", "bug"])
def test_lost_offsets_are_not_begun_anew(
    kafka: KafkaSettings, tmp_path: Path, *, buggy: bool
) -> None:
    """The group's offsets are deleted between two starts."""
    bugs = ("earliest",) if buggy else ()
    with Field(kafka, "count", tmp_path) as field:
        field.feed(2)
        first = field.start("a", bugs=bugs)
        field.wait_for(field.fed)
        first.stop()
        app = field.topics.app
        admin = AdminClient(kafka.config())
        admin.delete_consumer_groups([app])[app].result(10)
        again = field.start("a", bugs=bugs)
        if buggy:
            field.wait_for(2 * field.fed)
        else:
            refused = again.heard("failed")
        verdict = field.verdict()

    assert (verdict.doubled > 0) == buggy
    assert buggy or refused[0] == "stream-offsets-lost"


def hazard(field: Field, names: str, **orders: Any) -> Verdict:
    """Let it happen to instances of these names; what is wrong with the results then.

    The first one dies at its third commit, with changelog and results acknowledged.
    """
    field.feed(4)
    first = field.start(names[0], crash="before-offsets", crash_at=3, **orders)
    with Feeding(field):
        first.ended()
    second = field.start(names[1], **orders)
    field.wait_until_done()
    second.stop()
    field.feed(4)
    field.start(names[2], **orders)
    field.wait_for(field.fed)
    return field.verdict()
