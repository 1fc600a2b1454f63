"""Every kind of transaction applies a batch once, in order, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import asyncpg
import psycopg
import pytest
from sqlalchemy.orm import Session

from mainstem import StoredEvent
from mainstem.errors import Refusal
from mainstem.projection.definition import Projection
from mainstem.projection.handlers import on
from mainstem.projection.policy import DeadLetter
from tests.projection.running.journal import KINDS, NAMED
from tests.projection.running.scene import Returned, Scene, Sold, until

KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@KIND
def test_events_are_applied_once_and_in_order(scene: Scene, kind: type[Projection]) -> None:
    """Two types take turns in one partition; a second run finds nothing to do."""
    definition = scene.define(kind)
    scene.publish([Sold(number=n) if n % 3 else Returned(number=n) for n in range(30)], partition=0)
    scene.drain(definition)
    scene.drain(definition)

    expected = [(n + 1, "sold" if n % 3 else "returned") for n in range(30)]
    assert scene.rows("SELECT id, what FROM journal ORDER BY place") == expected


@KIND
def test_a_failed_batch_leaves_nothing_behind(scene: Scene, kind: type[Projection]) -> None:
    """The event in the middle fails: those before it are applied, those behind it are not."""
    definition = scene.define(kind)
    scene.publish([Sold(number=n, bad=n == 7) for n in range(12)], partition=1)
    projector = scene.drain(definition)

    assert scene.rows("SELECT id FROM journal ORDER BY place") == [(n + 1,) for n in range(7)]
    assert {place.partition for place in projector.halted} == {1}
    assert scene.one('SELECT "offset" FROM _mainstem.projection_halts') == 7


@KIND
def test_an_event_is_set_aside_in_the_transaction_of_its_offset(
    scene: Scene, kind: type[Projection]
) -> None:
    """Others of its key wait behind it, and everything else is applied."""
    definition = scene.define(kind, DeadLetter())
    scene.publish([Sold(number=n, bad=n == 2) for n in range(12)], partition=0)
    scene.drain(definition)

    assert scene.rows("SELECT id FROM journal ORDER BY place") == [
        (n + 1,) for n in range(12) if n % 5 != 2
    ]
    assert scene.rows('SELECT "offset", state FROM _mainstem.dead_letters ORDER BY 1') == [
        (2, "waiting"),
        (7, "behind"),
    ]


class Committing(Projection):
    """Commits by itself, as a habit."""

    name = "committing"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: Session) -> None:
        """Write one down, and end the transaction; a savepoint before is fine."""
        with tx.begin_nested():
            tx.execute(NAMED, {"id": event.id, "what": "sold"})
        tx.commit()


class RollingBack(Projection):
    """Rolls back by itself."""

    name = "rolling_back"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
        """Write one down, and take it back."""
        tx.execute("INSERT INTO journal (id) VALUES (%s)", (event.id,))
        tx.rollback()


@pytest.mark.parametrize("kind", [Committing, RollingBack])
def test_a_handler_that_ends_the_transaction_is_stopped(
    scene: Scene, kind: type[Projection]
) -> None:
    """Offsets have moved by then: committed halfway, the rest of the batch would be lost."""
    definition = scene.define(kind)
    scene.publish([Sold(number=n) for n in range(3)], partition=0)
    projector = scene.drain(definition)

    assert projector.halted
    assert scene.rows("SELECT id FROM journal") == []
    assert scene.one('SELECT max("offset") FROM _mainstem.projection_offsets') == -1


class CommittingBySql(Projection):
    """Commits by SQL, where no driver can forbid it."""

    name = "committing_by_sql"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
        """Write one down, and commit."""
        tx.execute("INSERT INTO journal (id) VALUES (%s)", (event.id,))
        tx.execute("COMMIT")


def test_a_commit_by_sql_is_refused_by_name(scene: Scene) -> None:
    """It cannot be prevented, so everything stops and says so."""
    definition = scene.define(CommittingBySql)
    scene.publish([Sold(number=n) for n in range(3)], partition=0)

    with pytest.raises(Refusal) as refused:
        scene.drain(definition)
    assert refused.value.name == "projection-ended-by-handler"


class Hiding(Projection):
    """Hides an error of PostgreSQL's."""

    name = "hiding"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
        """Write one down; the second one fails, and nobody hears."""
        with contextlib.suppress(psycopg.Error):
            what = "SELECT 1 / 0" if event.payload.number == 1 else "SELECT 1"
            tx.execute(f"INSERT INTO journal (id) {what}".encode())


class AsyncHiding(Projection):
    """As `Hiding`, on asyncpg."""

    name = "hiding"

    @on(Sold)
    async def sold(self, event: StoredEvent[Sold], tx: asyncpg.Connection) -> None:
        """As of `Hiding`."""
        with contextlib.suppress(asyncpg.PostgresError):
            what = "SELECT 1 / 0" if event.payload.number == 1 else "SELECT 1"
            await tx.execute(f"INSERT INTO journal (id) {what}")


@pytest.mark.parametrize("kind", [Hiding, AsyncHiding])
def test_a_hidden_error_counts_as_one(scene: Scene, kind: type[Projection]) -> None:
    """PostgreSQL has given the transaction up: its commit would be a rollback, silently."""
    definition = scene.define(kind)
    scene.publish([Sold(number=n) for n in range(3)], partition=0)
    projector = scene.drain(definition)

    assert projector.halted
    assert scene.one('SELECT "offset" FROM _mainstem.projection_halts') == 1
    assert len(scene.rows("SELECT 1 FROM journal")) == 1


class Yielding(Projection):
    """A handler that is a generator by mistake."""

    name = "yielding"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> Iterator[None]:
        """Does nothing when it is called."""
        tx.execute("INSERT INTO journal (id) VALUES (%s)", (event.id,))
        yield


def test_a_handler_that_has_not_begun_is_no_success(scene: Scene) -> None:
    """A generator that nobody runs would be an event skipped."""
    definition = scene.define(Yielding)
    scene.publish([Sold(number=0)], partition=0)
    projector = scene.drain(definition)

    assert projector.halted
    assert scene.rows("SELECT 1 FROM journal") == []


class Impatient(Projection):
    """Waits for no lock."""

    name = "impatient"

    @on(Sold)
    def sold(self, event: StoredEvent[Sold], tx: psycopg.Connection) -> None:
        """Write one down, if the table is free."""
        tx.execute("SET LOCAL lock_timeout = '20ms'")
        tx.execute("INSERT INTO journal (id) VALUES (%s)", (event.id,))


def test_a_lock_that_is_not_had_in_time_is_no_fault_of_the_event(scene: Scene) -> None:
    """The table is locked for a while: the batch is tried again, and nothing is set aside."""
    definition = scene.define(Impatient, DeadLetter())
    with psycopg.connect(scene.dsn) as other, scene.running(definition):
        other.execute("LOCK TABLE journal")
        scene.publish([Sold(number=n) for n in range(3)], partition=0)
        until(lambda: scene.told.statuses and scene.told.statuses[-1].retries > 1)
        other.rollback()
        until(lambda: len(scene.rows("SELECT 1 FROM journal")) == 3)

    assert scene.rows("SELECT 1 FROM _mainstem.dead_letters") == []
