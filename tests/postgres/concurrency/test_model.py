"""Versions and event_ids against a model in memory: random calls, alone and within transactions."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest

from mainstem.errors import ConcurrencyConflict, MainstemError
from mainstem.postgres.saving import Single
from mainstem.terms import ANY, EXISTS, NO_STREAM, ExpectedVersion, Terms
from tests.postgres.concurrency.conftest import Hand, Hands, Stored, versions
from tests.postgres.payloads import noted

STEPS = 60
KEYS = [UUID(int=number) for number in range(1, 4)]
IDS = [UUID(int=number) for number in range(100, 130)]

Call: TypeAlias = tuple[UUID, UUID | None]
"""Key and event_id of an event."""
Answer: TypeAlias = list[tuple[UUID, int]] | tuple[int | None, int | None]
"""Keys and versions, or what a conflict tells."""


@dataclass
class Model:
    """What the table should hold: the versions of each key, and where each event_id went."""

    heads: dict[UUID, int] = field(default_factory=dict)
    ids: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)

    def save(self, calls: list[Call], expected: ExpectedVersion) -> Answer:
        """The answer of a save of all of these or none."""
        new = [call for call in calls if call[1] not in self.ids]
        before = dict(self.heads)
        wanted = 0 if expected is NO_STREAM else expected
        for key, _ in calls if new else []:
            head = before.get(key, 0)
            if expected is EXISTS and head == 0:
                return None, 0
            if isinstance(wanted, int) and (wanted != head or len(new) < len(calls)):
                return wanted, head
        return [self._take(*call) for call in calls]

    def _take(self, key: UUID, event_id: UUID | None) -> tuple[UUID, int]:
        if event_id in self.ids:
            return self.ids[event_id]
        self.heads[key] = self.heads.get(key, 0) + 1
        place = key, self.heads[key]
        if event_id is not None:
            self.ids[event_id] = place
        return place


def told(outcome: list[Stored] | MainstemError) -> Answer:
    """An outcome in the words of the model."""
    if isinstance(outcome, ConcurrencyConflict):
        return outcome.expected, outcome.actual
    assert not isinstance(outcome, MainstemError), outcome
    return [(UUID(str(event.key)), event.version or 0) for event in outcome]


def saved(hand: Hand, topic: str, calls: list[Call], terms: dict[str, Any]) -> Answer:
    """What the store answers to the same."""
    events = [noted(key=key) for key, _ in calls]
    try:
        return told(hand.save_many(topic, events, **terms))
    except ConcurrencyConflict as conflict:
        return told(conflict)


def chosen(random: Random, size: int) -> tuple[list[Call], ExpectedVersion, dict[str, Any]]:
    """A random call, and its terms."""
    identified = random.random() < 0.5
    event_ids = random.sample(IDS, size)
    choices: list[ExpectedVersion] = [ANY, ANY, NO_STREAM, EXISTS, random.randrange(12)]
    expected = random.choice(choices)
    exact = isinstance(expected, int) and expected > 0
    key = random.choice(KEYS)
    calls: list[Call] = [
        (key if exact else random.choice(KEYS), event_ids[at] if identified else None)
        for at in range(size)
    ]
    ids = tuple(event_ids) if identified else None
    return calls, expected, {"expected_version": expected, "event_ids": ids}


@pytest.mark.parametrize("seed", range(4))
def test_the_store_answers_as_the_model_does(
    hands: Hands, strict_topic: str, observer: psycopg.Connection[Any], seed: int
) -> None:
    """Aim: the meaning of all terms together. Method: random calls in each of the ways."""
    random, model = Random(seed), Model()
    own, caller = hands(own=True), hands(own=False)
    for _ in range(STEPS):
        way = random.choice(["own", "commit", "rollback", "savepoint", "singles"])
        if way == "singles":
            check_singles(random, own, strict_topic, model)
            continue
        before, hand = deepcopy(model), own if way == "own" else caller
        for _ in range(1 if way == "own" else 3):
            calls, expected, terms = chosen(random, random.choice([1, 1, 2, 3]))
            answer = saved(hand, strict_topic, calls, terms)
            assert answer == model.save(calls, expected), (calls, expected, way)
        if way == "rollback":
            caller.connection.rollback()
            model = before
        elif way == "savepoint":
            with caller.connection.transaction() as savepoint:
                saved(caller, strict_topic, [(KEYS[0], None)], {})
                raise psycopg.Rollback(savepoint)
        caller.commit()

    assert {key: list(range(1, head + 1)) for key, head in model.heads.items()} == versions(
        observer, strict_topic
    )


def check_singles(random: Random, own: Hand, topic: str, model: Model) -> None:
    """Each entry of a batch is a call of its own; those of one key keep their order."""
    keys, batch = random.sample(KEYS, 3), []
    for key in keys:
        ((_, event_id),), expected, terms = chosen(random, 1)
        batch.append(((key, event_id), expected, Single(noted(key=key), Terms(**terms))))
    if len({call[1] for call, _, _ in batch} - {None}) < sum(
        call[1] is not None for call, _, _ in batch
    ):
        return

    outcomes = own.singles(topic, *(single for _, _, single in batch))

    for (call, expected, _), outcome in zip(batch, outcomes, strict=True):
        assert not isinstance(outcome, Exception) or isinstance(outcome, MainstemError)
        answer = told(outcome if isinstance(outcome, MainstemError) else [outcome])
        assert answer == model.save([call], expected)
