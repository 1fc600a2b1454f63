"""singles: many callers' saves in one statement, each with an outcome of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from mainstem.errors import (
    ConcurrencyConflict,
    ConfigurationError,
    EventRefused,
    MainstemError,
    ServerUnavailable,
    UndeclaredPayload,
    WrongKeyType,
)
from mainstem.event import Event, StoredEvent
from mainstem.postgres.saving import Single
from mainstem.postgres.statements import Statement
from mainstem.terms import EXISTS, NO_STREAM, AppendCondition, EventQuery, Terms
from tests.postgres.concurrency.conftest import Hand, Hands, failing, made, recorded, versions
from tests.postgres.conftest import count
from tests.postgres.payloads import Undeclared, noted

Connection = psycopg.Connection[Any]


@pytest.fixture
def writer(hands: Hands) -> Hand:
    """A hand on a connection of our own."""
    return hands(own=True)


def summed(outcomes: list[StoredEvent[Any] | Exception]) -> list[Any]:
    """The version of each, or the class of its error."""
    return [
        type(outcome) if isinstance(outcome, Exception) else outcome.version for outcome in outcomes
    ]


def test_each_entry_has_its_own_outcome(
    writer: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: nobody is harmed by another. Method: conflicts, repeats and bad events in one batch."""
    old, new, event_id = uuid4(), uuid4(), uuid4()
    writer.save(strict_topic, noted(key=old))
    first = Single(noted(5), Terms(event_ids=(event_id,)))

    outcomes = writer.singles(
        strict_topic,
        Single(noted(key=old)),
        Single(noted(key=old), Terms(expected_version=2)),
        Single(noted(key=old), Terms(expected_version=2)),
        Single(noted(key=new), Terms(expected_version=NO_STREAM)),
        Single(noted(key=new), Terms(expected_version=EXISTS)),
        Single(noted(key="no UUID")),
        Single(Event(uuid4(), Undeclared(text="x"))),
        Single(noted(), Terms(expected_version=-3)),
        first,
        first,
        Single(noted(), Terms(append_condition=AppendCondition(none_match=EventQuery(key=new)))),
    )

    assert summed(outcomes) == [
        2, 3, ConcurrencyConflict, 1, 2, WrongKeyType, UndeclaredPayload, ConfigurationError, 1, 1,
        ConcurrencyConflict,
    ]  # fmt: skip  # One line for those of the batch.
    assert outcomes[8] == outcomes[9]
    assert versions(observer, strict_topic)[old] == [1, 2, 3]
    assert count(observer, strict_topic) == 6


def test_saves_to_one_busy_stream_share_a_statement(
    writer: Hand, strict_topic: str, observer: Connection
) -> None:
    """Aim: one commit for a hot key. Method: count the statements of the plan."""
    key = uuid4()
    writer.save(strict_topic, noted(key=key))
    entries = [Single(noted(number, key=key)) for number in range(50)]

    sent: list[Statement] = []
    plan = recorded(writer.saving.singles(writer.scope, strict_topic, entries), sent)
    outcomes = writer.run(plan)

    assert summed(outcomes) == list(range(2, 52))
    assert [(statement.sql.split()[0], statement.commits) for statement in sent] == [
        ("INSERT", True)
    ]
    assert versions(observer, strict_topic) == {key: list(range(1, 52))}


def test_what_the_server_refuses_harms_nobody_else(writer: Hand, observer: Connection) -> None:
    """Aim: one bad row fails alone, and nothing is saved twice. Method: a CHECK of the table."""
    topic = made(observer, versioned=True, data_bytes_max=200)
    key = uuid4()
    large = Event(uuid4(), noted().payload.__class__(text="x" * 300, count=1))

    outcomes = writer.singles(topic, Single(noted(key=key)), Single(large), Single(noted(key=key)))

    assert [isinstance(outcome, MainstemError) for outcome in outcomes] == [False, True, False]
    assert versions(observer, topic) == {key: [1, 2]}


def test_a_server_that_goes_away_is_told_to_each(writer: Hand, strict_topic: str) -> None:
    """Aim: nobody waits for an answer that cannot come. Method: the first insert finds it gone."""
    key = uuid4()
    entries = [Single(noted(key=key), Terms(expected_version=at)) for at in range(2)]
    plan = writer.saving.singles(writer.scope, strict_topic, [*entries, Single(noted())])

    outcomes = writer.run(failing(plan, "INSERT", ServerUnavailable("gone")))

    assert [type(outcome) for outcome in outcomes] == [ServerUnavailable] * 3
    assert sorted(str(outcome) for outcome in outcomes) == [
        "gone",
        "gone",
        "this save was not carried out: gone",
    ]


def test_a_busy_stream_in_a_statement_that_is_lost_is_told_to_each(
    writer: Hand, strict_topic: str
) -> None:
    """Aim: the same where one statement is for a hot key. Method: it finds the server gone."""
    entries = [Single(noted(key=UUID(int=7)))] * 3
    plan = writer.saving.singles(writer.scope, strict_topic, entries)

    outcomes = writer.run(failing(plan, "INSERT", ServerUnavailable("gone")))

    assert [str(outcome) for outcome in outcomes] == ["gone"] * 3


@pytest.mark.parametrize("event_ids", [None, (uuid4(),)])
def test_a_row_that_a_trigger_drops_is_told(
    writer: Hand, strict_topic: str, observer: Connection, event_ids: tuple[UUID, ...] | None
) -> None:
    """Aim: no success without a row, and an end to trying. Method: a trigger that drops rows."""
    observer.execute(f"""
        CREATE FUNCTION events.drop_{strict_topic}() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER dropping BEFORE INSERT ON events.{strict_topic}
        FOR EACH ROW EXECUTE FUNCTION events.drop_{strict_topic}();
    """)

    with pytest.raises(EventRefused, match="did not insert"):
        writer.save(strict_topic, noted(), event_ids=event_ids)


def test_a_plain_topic_sends_what_it_always_sent(writer: Hand, new_topic: str) -> None:
    """Aim: tables of the original shape are untouched. Method: read the statements."""
    writer.save(new_topic, noted())

    one = next(writer.saving.one(writer.scope, new_topic, noted()))
    many = next(writer.saving.many(writer.scope, new_topic, [noted(), noted()]))
    singles = next(writer.saving.singles(writer.scope, new_topic, [Single(noted())] * 2))

    for step in (one, many, singles):
        assert isinstance(step, Statement)
        assert step.commits
        assert not any(word in step.sql for word in ("version", "event_id", "CONFLICT", "head"))
    assert isinstance(one, Statement)
    assert (
        one.sql.split()
        == (
            f'INSERT INTO "events"."{new_topic}" (key, data, timestamp)'
            " SELECT $1::uuid, $2::bytea, $3::timestamptz"
            f' WHERE \'"events"."{new_topic}"\'::regclass = $4::oid RETURNING id'
        ).split()
    )
