"""What a class of a projection may say, and what is told where it cannot be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from mainstem import StoredEvent
from mainstem.errors import ConfigurationError, InvalidName, UndeclaredPayload
from mainstem.projection.definition import Projection, define
from mainstem.projection.handlers import on
from mainstem.projection.streams.stream_projection import StreamProjection
from tests.projection.running.journal import KINDS, PsycopgJournal
from tests.projection.running.scene import Returned, Sold


class RevenueByCountry(Projection):
    """One that is right."""

    topics = ("order_events", "return_events")

    @on(Sold)
    def sold(self, events: Sequence[StoredEvent[Sold]], tx: psycopg.Connection) -> None:
        """Takes a batch."""

    @on()
    def others(self, event: StoredEvent[Any], tx: psycopg.Connection) -> None:
        """Takes what nobody else takes."""


def test_a_class_is_read() -> None:
    """Name, group, handlers and their ways."""
    definition = define(RevenueByCountry)

    assert definition.group == "revenue_by_country.v1"
    assert definition.seat.schema == "public"
    assert definition.wanted is None
    assert definition.transaction is psycopg.Connection
    batch, single = definition.handler_of(Sold), definition.handler_of(Returned)
    assert batch is not None
    assert single is not None
    assert batch.batch
    assert not single.batch
    assert single.name == "others"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_only_what_is_handled_is_wanted(kind: type[Projection]) -> None:
    """Two types, by their full names."""
    definition = define(type("X", (kind,), {"topics": ("t_events",)}))

    assert set(definition.wanted or ()) == {
        "com.example.running.Sold",
        "com.example.running.Returned",
    }


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"topics": ()}, "names no topics"),
        ({"topics": "order_events"}, "names no topics"),
        ({"version": 0}, "not a number from 1"),
        ({"on_error": "stop"}, "on_error"),
        ({"schema": "my schema"}, "schema"),
        ({"name": "Big"}, "projection"),
        ({"offsets": "a.b.c"}, "schema"),
    ],
)
def test_what_cannot_be_right_is_named(attributes: dict[str, Any], said: str) -> None:
    """One attribute after another."""
    wrong = type("Wrong", (PsycopgJournal,), {"topics": ("t_events",), **attributes})

    with pytest.raises((ConfigurationError, InvalidName), match=said):
        define(wrong)


def test_two_handlers_of_a_type_are_refused() -> None:
    """The error names both."""

    class Twice(PsycopgJournal):
        """Two handlers take Sold."""

        topics = ("t_events",)

        @on(Sold)
        def again(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
            """The second."""

    with pytest.raises(ConfigurationError, match=r"\.sold and \.again both take Sold"):
        define(Twice)


def test_kinds_are_not_mixed() -> None:
    """A batch is one transaction."""

    class Mixed(PsycopgJournal):
        """An asynchronous handler among others."""

        topics = ("t_events",)

        @on()
        async def rest(self, event: StoredEvent[Any], tx: psycopg.AsyncConnection) -> None:
            """Takes another kind."""

    with pytest.raises(ConfigurationError, match="different kinds of transaction"):
        define(Mixed)


def test_signatures_that_say_nothing_are_refused() -> None:
    """No transaction, no event, one parameter too few."""

    class NoTransaction(Projection):
        """Its tx is not annotated."""

        topics = ("t_events",)

        @on(Sold)
        def sold(self, event: StoredEvent[Sold], tx) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # The mistake.
            """Lacks an annotation."""

    class NoEvent(Projection):
        """It takes a payload."""

        topics = ("t_events",)

        @on(Sold)
        def sold(self, payload: Sold, tx: psycopg.Connection) -> None:
            """Takes no event."""

    class TooFew(Projection):
        """It takes no transaction."""

        topics = ("t_events",)

        @on(Sold)
        def sold(self, event: StoredEvent[Sold]) -> None:
            """Lacks a parameter."""

    for wrong, said in (
        (NoTransaction, "no kind of transaction"),
        (NoEvent, "neither a StoredEvent"),
        (TooFew, "takes self, event"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            define(wrong)


def test_a_payload_that_is_no_event_type_is_refused() -> None:
    """Its class carries no declaration."""

    class Plain(Projection):
        """Takes a plain class."""

        topics = ("t_events",)

        @on(int)
        def number(self, event: StoredEvent[int], tx: psycopg.Connection) -> None:
            """Never called."""

    with pytest.raises(UndeclaredPayload):
        define(Plain)


def test_a_state_needs_columns() -> None:
    """A field of a type that has none is named."""

    @dataclass
    class Odd:
        """With a list."""

        items: list[int]

    class Odds(StreamProjection[Odd]):
        """Folds into it."""

        topics = ("t_events",)

        @on(Sold)
        def sold(self, state: Odd | None, event: StoredEvent[Sold]) -> Odd | None:
            """Never called."""
            del event
            return state

    with pytest.raises(ConfigurationError, match=r"Odd\.items is of a type that has no column"):
        define(Odds)


def test_a_coroutine_needs_an_asynchronous_transaction() -> None:
    """A plain transaction would never await it, and its events would be skipped."""

    class Never(Projection):
        """A coroutine on a plain connection."""

        topics = ("t_events",)

        @on(Sold)
        async def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
            """Never awaited."""

    with pytest.raises(ConfigurationError, match="not be a coroutine"):
        define(Never)
