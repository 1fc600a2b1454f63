"""The swap: one short transaction that exchanges the tables and gives the offsets over.

Theory of operation. The transaction first locks the offsets of the group that serves: a running
projector waits there, before it writes anything, so that where it is stands still. The shadow
catches up to that place over connections of its own; nobody who reads has noticed anything yet.
Only then are the tables locked, for the few milliseconds that the exchange of names takes.

Whoever waits for a table behind this transaction finds the new one when it gets on, since
PostgreSQL looks a name up again after it has waited. That queue must stay short, so the tables
are waited for only briefly; what is in the way is left alone, and the whole is tried again, with a
little more patience each time. The last ones outlast `deadlock_timeout`, after which an autovacuum
that is in the way steps aside.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from mainstem.errors import MainstemError, TopicExists, TransactionFailed
from mainstem.kafka.delivered import Place
from mainstem.postgres.statements import Statement
from mainstem.projection.rebuilding import statements
from mainstem.projection.rebuilding.catalog import statements as catalog
from mainstem.projection.rebuilding.planning import RebuildPlan, furthest
from mainstem.projection.rebuilding.session import Session
from mainstem.projection.rebuilding.shadow import KEPT, REPLACED, Shadow
from mainstem.projection.rebuilding.statements import Entry, qualified

OFFSETS_WAIT_MS: Final = 10_000
"""How long the batches that projectors have at hand are waited for."""
TABLES_WAIT_MS: Final = (100, 200, 400, 800, 1600)
"""How long the tables are waited for in each attempt; the last one for all further attempts."""
PAUSE_S: Final = 0.3
SERVING: Final = "serving"

CatchUp: TypeAlias = Callable[[Mapping[Place, int]], None]
"""Bring the shadow to these next offsets at least."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """How it went."""

    attempts: int
    pause_s: float
    """How long projectors waited for the attempt that succeeded."""
    readers_pause_s: float
    """For how long nobody could use the tables."""
    retired: tuple[str, ...]
    """Groups of versions that were replaced."""


class Swap:
    """Exchanges the tables of a shadow that is nearly complete with those that serve."""

    def __init__(self, session: Session, plan: RebuildPlan, catch_up: CatchUp) -> None:
        """Do nothing yet."""
        self._session = session
        self._plan = plan
        self._shadow = Shadow(session, plan)
        self._catch_up = catch_up

    def run(self, timeout_s: float, pause: Callable[[float], None]) -> Swapped:
        """Exchange them; TransactionFailed where the tables were in use for so long.

        Raises the refusal `rebuild-would-break` for what came to depend on them meanwhile.
        """
        self._calm()
        until_s = time.monotonic() + timeout_s
        for attempt in itertools.count(1):
            wait_ms = TABLES_WAIT_MS[min(attempt, len(TABLES_WAIT_MS)) - 1]
            try:
                pause_s, readers_pause_s, retired = self._attempt(wait_ms)
            except (TransactionFailed, TopicExists) as error:
                if time.monotonic() > until_s:
                    raise in_use(self._plan, attempt) from error
                pause(PAUSE_S)
            else:
                return Swapped(attempt, pause_s, readers_pause_s, retired)
        raise AssertionError("counting has no end")

    def _calm(self) -> None:
        """Complete the new tables, and let the server not vacuum them while they are exchanged."""
        self._shadow.keep_indexes()
        schema = self._plan.shadow.schema
        for table in self._plan.definition.tables:
            self._session.ask(statements.autovacuum(schema, table, enabled=False))
            self._session.ask(statements.vacuum(schema, table))

    def _attempt(self, wait_ms: int) -> tuple[float, float, tuple[str, ...]]:
        """One try, in one transaction."""
        began_s = time.monotonic()
        with self._session.transaction():
            self._session.ask(statements.wait_at_most(OFFSETS_WAIT_MS))
            retired = tuple(each.group for each in self._shadow.replaced())
            self._catch_up(lock_offsets(self._session, self._plan, retired))
            live = [table.name for table in self._shadow.live()]
            self._dress()
            self._session.ask(statements.wait_at_most(wait_ms))
            locked_s = time.monotonic()
            self._exchange(live)
            self._give_offsets(retired)
        ended_s = time.monotonic()
        return ended_s - began_s, ended_s - locked_s, retired

    def _dress(self) -> None:
        """Give the new tables owner and rights of the old ones, and all that needs no lock."""
        plan, session = self._plan, self._session
        for pair in self._shadow.pairs():
            for (text,) in session.ask(catalog.ownership(pair)):
                session.ask(Statement(text, answers=False))
        for name in plan.definition.tables:
            session.ask(statements.autovacuum(plan.shadow.schema, name, enabled=True))

    def _exchange(self, live: list[str]) -> None:
        """Put the old tables aside and the new ones in their place, while nobody can use them."""
        plan, session = self._plan, self._session
        serving, shadow, built = plan.serving.schema, plan.shadow.schema, plan.definition.tables
        names = [qualified(serving, name) for name in live]
        session.ask(statements.lock_tables(names + [qualified(shadow, name) for name in built]))
        self._shadow.check_swap()
        if live:
            session.ask(statements.create_schema(plan.old_schema))
            session.ask(statements.mark_schema(plan.old_schema, REPLACED))
        for name in live:
            session.ask(statements.move_table(serving, name, plan.old_schema))
        for name in built:
            session.ask(statements.move_table(shadow, name, serving))
        # Here, and not afterwards: who ends in between must not leave a shadow without tables.
        session.ask(statements.drop_empty(shadow))

    def _give_offsets(self, retired: tuple[str, ...]) -> None:
        """Let the serving group go on from where the shadow is."""
        plan, session = self._plan, self._session
        definition, serving = plan.definition, plan.serving
        for group in retired:
            session.tell(statements.retire(group, plan.shadow.group))
        if plan.original_offsets is not None:
            session.tell(statements.take_original_offsets(plan.original_offsets, plan.shadow.group))
        session.tell(statements.take_over(plan.shadow.group, serving.group))
        session.tell(statements.forget(plan.shadow.group))
        identity = (definition.name, definition.version, SERVING, serving.schema)
        entry = Entry(serving.group, *identity, definition.topics, definition.tables)
        session.ask(statements.note(entry))


def lock_offsets(session: Session, plan: RebuildPlan, others: tuple[str, ...]) -> dict[Place, int]:
    """Hold projectors back until the transaction ends; the next offset of each partition."""
    return standing(session, plan, others, lock=True)


def standing(
    session: Session, plan: RebuildPlan, others: tuple[str, ...], *, lock: bool = False
) -> dict[Place, int]:
    """The next offset of each partition of the topics, for all that serves now."""
    topics = plan.definition.topics
    asked = [statements.offsets_of(group, lock=lock) for group in (plan.serving.group, *others)]
    if plan.original_offsets is not None:
        asked.append(statements.original_offsets_of(plan.original_offsets, topics, lock=lock))
    found = [next_offsets(session.ask(statement)) for statement in asked]
    return {place: end for place, end in furthest(*found).items() if place.topic in topics}


def next_offsets(rows: list[tuple[str, int, str, int, int]]) -> dict[Place, int]:
    """The next offset of each partition; rows as of `offsets_of`."""
    return {Place(topic, partition): offset + 1 for topic, partition, _, offset, _ in rows}


def in_use(plan: RebuildPlan, attempts: int) -> TransactionFailed:
    """The error for tables that could not be had."""
    return TransactionFailed(
        f"the tables of {plan.definition.name} were in use in each of {attempts} attempts to"
        " exchange them; the shadow is complete, and nothing was changed",
        hint="end long transactions that use them (pg_stat_activity), then run the rebuild again:"
        " it goes on where it is",
    )


def drop_replaced(session: Session, plan: RebuildPlan, *, keep: bool) -> bool:
    """Drop the tables that were replaced, if there are any; whether none is left.

    They are left, too, where something came to depend on them since the swap.
    """
    if keep:
        if session.ask(statements.mark_of(plan.old_schema)):
            session.ask(statements.mark_schema(plan.old_schema, KEPT))
            return False
        return True
    try:
        Shadow(session, plan).clear_old()
    except MainstemError:
        # The new tables serve; that old ones are still there is told, and no failure.
        return False
    return True
