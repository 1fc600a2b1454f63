"""Hands that carry out plans of saving: on connections of our own, and on a caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import uuid4

import psycopg
import pytest

from mainstem.errors import MainstemError
from mainstem.event import Event, StoredEvent
from mainstem.postgres.drivers.psycopg import run, scope
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.plan import Plan, Scope
from mainstem.postgres.saving import Saving, Single
from mainstem.postgres.statements import Statement
from mainstem.postgres.topics import create_topic
from mainstem.registry.memory import MemoryRegistry
from mainstem.terms import Decision, EventQuery, Terms
from mainstem.wire import Wire
from tests.postgres.payloads import Noted

T = TypeVar("T")

Stored: TypeAlias = StoredEvent[Any]


class Hand(NamedTuple):
    """One connection, and what is saved by it."""

    saving: Saving
    connection: psycopg.Connection[Any]
    own: bool

    def save(self, topic: str, event: Event[Any], **terms: Any) -> Stored:
        """Save one event."""
        return self.run(self.saving.one(self.scope, topic, event, Terms(**terms)))

    def save_many(self, topic: str, events: Sequence[Event[Any]], **terms: Any) -> list[Stored]:
        """Save all of the events or none."""
        return self.run(self.saving.many(self.scope, topic, events, Terms(**terms)))

    def singles(self, topic: str, *entries: Single) -> list[Stored | Exception]:
        """Save each or not."""
        return self.run(self.saving.singles(self.scope, topic, entries))

    def query(self, topic: str, event_query: EventQuery) -> Decision:
        """What a decision is made on."""
        return self.run(self.saving.query(self.scope, topic, event_query))

    def run(self, plan: Plan[T]) -> T:
        """Carry out any plan."""
        return run(self.connection, plan)

    @property
    def scope(self) -> Scope:
        """What plans must know of the connection."""
        return scope(self.connection, own=self.own)

    def commit(self) -> None:
        """Commit; of no effect on a connection of our own."""
        self.connection.commit()


Hands: TypeAlias = Callable[..., Hand]


@pytest.fixture(scope="session")
def registry() -> MemoryRegistry:
    """One registry for all hands, so that each reads what another saved."""
    return MemoryRegistry()


@pytest.fixture
def hands(store_database: str, registry: MemoryRegistry) -> Iterator[Hands]:
    """Makes hands; `own=False` is a caller's connection, which the caller must commit."""
    opened: list[psycopg.Connection[Any]] = []

    def hand(*, own: bool) -> Hand:
        connection = connect(store_database) if own else psycopg.connect(store_database)
        opened.append(connection)
        return Hand(Saving(Wire(registry, [Noted])), connection, own)

    yield hand
    for connection in opened:
        with closing(connection):
            connection.rollback()


@pytest.fixture(params=[True, False], ids=["own", "within"])
def hand(request: pytest.FixtureRequest, hands: Hands) -> Hand:
    """A hand of each kind in turn."""
    return hands(own=request.param)


@pytest.fixture
def other(hands: Hands) -> Hand:
    """Another writer, who commits each save."""
    return hands(own=True)


def made(connection: psycopg.Connection[Any], **options: Any) -> str:
    """A new topic with these options."""
    name = f"t{uuid4().hex[:12]}_events"
    create_topic(connection, name, TopicOptions(**options))
    return name


@pytest.fixture
def strict_topic(observer: psycopg.Connection[Any]) -> str:
    """A topic with versions and event_ids."""
    return made(observer, versioned=True, idempotent=True)


def versions(connection: psycopg.Connection[Any], topic: str) -> dict[Any, list[int]]:
    """The versions of each key, in order."""
    rows = connection.execute(
        f"SELECT key, array_agg(version ORDER BY version) FROM events.{topic} GROUP BY key"
    ).fetchall()
    return dict(rows)


def recorded(plan: Plan[T], sent: list[Statement]) -> Plan[T]:
    """The plan, with its statements written down."""
    step = next(plan)
    try:
        while True:
            if isinstance(step, Statement):
                sent.append(step)
            step = plan.send((yield step))
    except StopIteration as end:
        result: T = end.value
        return result


def failing(plan: Plan[T], word: str, error: MainstemError) -> Plan[T]:
    """The plan, with an error in the place of each statement that begins with the word."""
    step = next(plan)
    try:
        while True:
            if isinstance(step, Statement) and step.sql.lstrip().startswith(word):
                step = plan.throw(error)
            else:
                step = plan.send((yield step))
    except StopIteration as end:
        result: T = end.value
        return result
