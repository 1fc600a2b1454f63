"""psycopg's errors become ours, all of them, without what they say of rows."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import errors as psycopg_errors

from mainstem.errors import (
    ConfigurationError,
    EventRefused,
    MainstemError,
    ServerUnavailable,
    TransactionFailed,
)
from mainstem.postgres.drivers.failures import mapped
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


@pytest.mark.parametrize("kind", THEIRS, ids=lambda kind: kind.__name__)
def test_every_error_has_one_of_ours(kind: type[psycopg.Error]) -> None:
    """Aim: the map is total and quotes no values. Method: raise each class with a secret."""
    with pytest.raises(MainstemError) as caught, mapped():
        raise kind("row (hidden)")

    if kind.sqlstate is not None:
        assert "hidden" not in caught.value.message
    assert isinstance(caught.value.__cause__, kind)


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
