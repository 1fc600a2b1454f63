"""The errors of each driver become ours, all of them, without what they say of rows."""

from __future__ import annotations

from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg import errors as psycopg_errors

from mainstem.errors import (
    ConfigurationError,
    EventRefused,
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
    TableChanged,
    TransactionFailed,
)
from mainstem.postgres.drivers import asyncpg_failures
from mainstem.postgres.drivers.failures import mapped, translated
from tests.postgres.conftest import Face
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]

THEIRS = sorted(
    (
        kind
        for kind in vars(psycopg_errors).values()
        if isinstance(kind, type) and issubclass(kind, psycopg.Error)
    ),
    key=lambda kind: kind.__name__,
)

OURS_TO_MAP = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

OF_ASYNCPG: list[type[Any]] = sorted(
    (
        kind
        for kind in vars(asyncpg.exceptions).values()
        if isinstance(kind, type) and issubclass(kind, OURS_TO_MAP)
    ),
    key=lambda kind: kind.__name__,
)

LOST: tuple[type[OSError], ...] = (ConnectionResetError, BrokenPipeError, TimeoutError, OSError)


@pytest.mark.parametrize("kind", THEIRS, ids=lambda kind: kind.__name__)
def test_every_error_has_one_of_ours(kind: type[psycopg.Error]) -> None:
    """Aim: the map is total and quotes no values. Method: raise each class with a secret."""
    with pytest.raises(MainstemError) as caught, mapped():
        raise kind("row (hidden)")

    if kind.sqlstate is not None:
        assert "hidden" not in caught.value.message
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("kind", OF_ASYNCPG, ids=lambda kind: kind.__name__)
def test_every_error_of_asyncpg_has_one_of_ours(kind: type[Exception], *, closed: bool) -> None:
    """Aim: as for psycopg. Method: translate each class, made with a secret."""
    ours = asyncpg_failures.translated(kind("row (hidden)"), closed=closed)

    assert isinstance(ours, MainstemError)
    assert "hidden" not in ours.message


def test_both_drivers_mean_the_same_by_a_state() -> None:
    """Aim: one table. Method: each SQLSTATE that both know, through both of them."""
    shared = 0
    for kind in OF_ASYNCPG:
        state = getattr(kind, "sqlstate", None)
        # asyncpg has a class of its own for a statement that was prepared too early.
        if state is None or kind is asyncpg.InvalidCachedStatementError:
            continue
        try:
            psycopgs = psycopg_errors.lookup(state)
        except KeyError:
            continue
        shared += 1
        theirs = translated(psycopgs("…"))
        ours = asyncpg_failures.translated(kind("…"), closed=False)

        assert type(ours) is type(theirs), state
    assert shared > 200


@pytest.mark.parametrize("kind", LOST, ids=lambda kind: kind.__name__)
def test_a_connection_lost_in_a_commit_leaves_the_outcome_open(kind: type[OSError]) -> None:
    """Aim: the one honest answer. Method: lose it with and without a commit, by each driver."""
    lost = [
        translated(kind("…"), commits=True),
        asyncpg_failures.translated(kind("…"), closed=True, commits=True),
        translated(psycopg.OperationalError("…"), commits=True),
        translated(psycopg_errors.lookup("57P01")("…"), commits=True),
        asyncpg_failures.translated(asyncpg.InterfaceError("…"), closed=True, commits=True),
        asyncpg_failures.translated(
            asyncpg.ConnectionDoesNotExistError("…"), closed=True, commits=True
        ),
    ]

    assert {type(error) for error in lost} == {OutcomeUnknown}
    assert type(translated(kind("…"))) is ServerUnavailable


def test_a_statement_of_asyncpgs_cache_that_is_stale_is_a_changed_table() -> None:
    """Aim: the caller starts over. Method: asyncpg's own class for it."""
    error = asyncpg.InvalidCachedStatementError("…")

    assert type(asyncpg_failures.translated(error, closed=False)) is TableChanged


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        ("08006", ServerUnavailable),
        ("57P01", ServerUnavailable),
        ("53300", ServerUnavailable),
        ("40001", TransactionFailed),
        ("40P01", TransactionFailed),
        ("57014", TransactionFailed),
        ("42501", ConfigurationError),
        ("23505", EventRefused),
    ],
)
def test_a_state_says_what_may_be_done(state: str, ours: type[MainstemError]) -> None:
    """Aim: retry, wait or correct. Method: one SQLSTATE of each kind."""
    with pytest.raises(ours), mapped():
        raise psycopg_errors.lookup(state)("…")


async def test_a_constraint_of_the_user_is_named(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: whose rule refused the event. Method: a unique index on key, one key twice."""
    observer.execute(f"ALTER TABLE events.{new_topic} ADD CONSTRAINT once_{new_topic} UNIQUE (key)")
    event = noted()
    await face.save(new_topic, event)

    with pytest.raises(
        EventRefused, match=r"UniqueViolation \(23505\), constraint 'once_"
    ) as found:
        await face.save(new_topic, event)
    assert str(event.key) not in found.value.message


async def test_a_role_without_privileges_is_told_which(
    face: Face, new_topic: str, observer: Connection
) -> None:
    """Aim: a remedy for the operator. Method: save within, as a role that may do nothing."""
    role = f"r_{new_topic}"
    observer.execute(f"CREATE ROLE {role}")
    observer.execute(f"GRANT USAGE ON SCHEMA events TO {role}")
    await face.execute(f"SET ROLE {role}")
    try:
        with pytest.raises(ConfigurationError, match="InsufficientPrivilege") as caught:
            await face.save(new_topic, noted(), within=face.connection)
    finally:
        await face.rollback()
        observer.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")

    assert "grant" in caught.value.hint
