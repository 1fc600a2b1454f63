"""The contract has teeth: stores with a planted bug, each of which a case must catch."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import pytest

from mainstem import correlation
from mainstem.event import Event, StoredEvent
from mainstem.postgres.options import TopicOptions
from mainstem.terms import ANY
from mainstem.testing import InMemoryEventStore, MemoryTransaction
from mainstem.testing.contract import EventStoreContract, Face
from mainstem.testing.contract_face import entered

P = TypeVar("P")
CAUGHT = (AssertionError, pytest.fail.Exception)
PARAMETERS = {"case": "undeclared payload", "key_type": "text"}
"""For cases that run once for each of several."""


class Bug(NamedTuple):
    """A store with a bug, and the case that is about it."""

    store: type[InMemoryEventStore]
    case: str


class Forgetful(InMemoryEventStore):
    """Loses the last of many events."""

    def save_many(
        self, topic: str, events: Iterable[Event[P]], **terms: Any
    ) -> list[StoredEvent[P]]:
        """Save them, and lose one."""
        stored = super().save_many(topic, events, **terms)
        if len(stored) > 1:
            self._database.table(topic).kept.pop()
        return stored


class Credulous(InMemoryEventStore):
    """Ignores one of the terms of a save."""

    ignored = ""
    instead: Any = None

    def save_many(
        self, topic: str, events: Iterable[Event[P]], **terms: Any
    ) -> list[StoredEvent[P]]:
        """Save without it."""
        if terms.get(self.ignored) is not None:
            terms[self.ignored] = self.instead
        return super().save_many(topic, events, **terms)


class Blind(Credulous):
    """Ignores the version that is expected."""

    ignored = "expected_version"
    instead = ANY


class Reckless(Credulous):
    """Ignores conditions."""

    ignored = "append_condition"


class Independent(Credulous):
    """Commits at once, whatever the caller's transaction will do."""

    ignored = "within"


class Doubling(InMemoryEventStore):
    """Gives each save an id of its own."""

    def save_many(
        self,
        topic: str,
        events: Iterable[Event[P]],
        *,
        event_ids: Iterable[UUID] | None = None,
        **terms: Any,
    ) -> list[StoredEvent[P]]:
        """Save them again and again."""
        ids = None if event_ids is None else [uuid4() for _ in event_ids]
        return super().save_many(topic, events, event_ids=ids, **terms)


class Piecemeal(InMemoryEventStore):
    """Saves the good events that stand before a bad one."""

    def save_many(
        self, topic: str, events: Iterable[Event[P]], **terms: Any
    ) -> list[StoredEvent[P]]:
        """Save one after the other."""
        saved: list[StoredEvent[P]] = []
        for event in events:
            saved += super().save_many(topic, [event], **terms)
        return saved


class Reserved(InMemoryEventStore):
    """Drops the metadata of the block around a save."""

    def save_many(
        self, topic: str, events: Iterable[Event[P]], **terms: Any
    ) -> list[StoredEvent[P]]:
        """Save them as if there was no block."""
        token = correlation.AMBIENT.set(None)
        try:
            return super().save_many(topic, events, **terms)
        finally:
            correlation.AMBIENT.reset(token)


class Backward(InMemoryEventStore):
    """Reads in the reversed order."""

    def read_all(self, topic: str, **selection: Any) -> Iterator[StoredEvent[Any]]:
        """The last one first."""
        return iter(list(super().read_all(topic, **selection))[::-1])


class Overlapping(InMemoryEventStore):
    """Begins a piece with the last event of the one before."""

    def read_all(self, topic: str, *, after: Any = None, **selection: Any) -> Iterator[Any]:
        """One too many."""
        after = after - 1 if isinstance(after, int) else after
        return super().read_all(topic, after=after, **selection)


class Committing(MemoryTransaction):
    """A transaction that nobody can take back."""

    def rollback(self) -> None:
        """Commit instead."""
        self.commit()


class Irrevocable(InMemoryEventStore):
    """Commits on a rollback."""

    def transaction(self) -> MemoryTransaction:
        """Begin what only commits."""
        return Committing(self._database)


BUGS = (
    Bug(Forgetful, "test_many_events_keep_their_order"),
    Bug(Blind, "test_an_expected_version_holds_or_nothing_is_saved"),
    Bug(Blind, "test_one_of_many_with_the_same_expectation_wins"),
    Bug(Reckless, "test_a_decision_holds_until_a_relevant_event_comes"),
    Bug(Independent, "test_events_appear_with_the_commit"),
    Bug(Independent, "test_an_error_in_the_block_leaves_nothing"),
    Bug(Doubling, "test_a_repeated_save_answers_the_first"),
    Bug(Doubling, "test_a_repeated_batch_answers_the_first"),
    Bug(Piecemeal, "test_one_bad_event_keeps_all_of_its_save_out"),
    Bug(Reserved, "test_metadata_around_a_save_comes_along"),
    Bug(Backward, "test_many_events_keep_their_order"),
    Bug(Overlapping, "test_a_topic_can_be_read_in_pieces"),
    Bug(Irrevocable, "test_an_error_in_the_block_leaves_nothing"),
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.store.__name__}-{bug.case}")
async def test_the_contract_catches_each_bug(bug: Bug) -> None:
    """Run the case that is about the bug: over the broken store it fails, over a whole one not."""
    await run(bug.case, InMemoryEventStore(topics=()))

    with pytest.raises(CAUGHT):
        await run(bug.case, bug.store(topics=()))


async def run(case: str, store: InMemoryEventStore) -> None:
    """Run one case, with what its parameters ask for."""

    def new_topic(options: TopicOptions) -> str:
        name = f"t{uuid4().hex[:12]}_events"
        store.create_topic(name, options)
        return name

    method = getattr(EventStoreContract(), case)
    offered = PARAMETERS | {
        "face": Face(store, new_topic),
        "begin": lambda: entered(store.transaction()),
    }
    await method(**{name: offered[name] for name in inspect.signature(method).parameters})
