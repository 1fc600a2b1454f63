"""Events that a decision could not see, and conditions that no decision gives."""

from __future__ import annotations

from typing import Any

import pytest

from mainstem.errors import ConcurrencyConflict, ConfigurationError
from mainstem.terms import AppendCondition, EventQuery
from tests.postgres.concurrency.conftest import Hands
from tests.postgres.concurrency.test_conditions import KEY, any_topic, marked
from tests.postgres.payloads import noted

__all__ = ["any_topic"]


@pytest.mark.parametrize("ends", ["before", "after"])
def test_an_event_of_a_savepoint_that_commits_late_is_noticed(
    hands: Hands, any_topic: str, ends: str
) -> None:
    """Aim: no snapshot lists the numbers of savepoints. Method: save in one, decide meanwhile."""
    late, writer = hands(own=False), hands(own=True)
    late.connection.execute("SELECT 1")
    with late.connection.transaction():
        late.save(any_topic, marked())
    writer.save(any_topic, noted())
    if ends == "before":
        late.commit()
    decision = writer.query(any_topic, EventQuery(key=KEY))
    late.commit()

    if ends == "before":
        assert [event.id for event in decision.events] == [1]
        assert writer.save(any_topic, noted(), append_condition=decision.condition).id == 3
    else:
        assert decision.events == ()
        with pytest.raises(ConcurrencyConflict):
            writer.save(any_topic, noted(), append_condition=decision.condition)


def test_a_decision_stands_while_an_older_transaction_is_open(hands: Hands, any_topic: str) -> None:
    """Aim: what a decision was given is known, however young. Method: hold the horizon back."""
    holder, writer = hands(own=False), hands(own=True)
    holder.save(any_topic, noted())
    writer.save(any_topic, marked())
    decision = writer.query(any_topic, EventQuery(key=KEY))

    assert decision.condition.known == (2,)
    assert writer.save(any_topic, marked(), append_condition=decision.condition).id == 3
    with pytest.raises(ConcurrencyConflict):
        writer.save(any_topic, marked(), append_condition=decision.condition)


BAD_CONDITIONS = [
    {"after": 2**63},
    {"after": "1"},
    {"snapshot": "now"},
    {"snapshot": "1:2"},
]


@pytest.mark.parametrize("part", BAD_CONDITIONS, ids=str)
def test_a_condition_that_cannot_be_is_refused_before_it_is_sent(
    hands: Hands, any_topic: str, part: dict[str, Any]
) -> None:
    """Aim: the caller's transaction goes on. Method: a place and a snapshot that are none."""
    caller = hands(own=False)
    caller.save(any_topic, noted())
    condition = AppendCondition(none_match=EventQuery(), **part)
    with pytest.raises(ConfigurationError):
        caller.save(any_topic, noted(), append_condition=condition)

    assert caller.save(any_topic, noted()).id == 2
