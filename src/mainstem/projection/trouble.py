"""Trouble: what a lane does about events that cannot be applied, as the policy says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from mainstem.errors import MainstemError
from mainstem.kafka.delivered import Place
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan
from mainstem.projection.applying import Sifting
from mainstem.projection.batch import Arrival, Batch
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.policy import Policy
from mainstem.projection.portion import Portion
from mainstem.projection.reporting import Reporter
from mainstem.projection.setaside import deciding, statements
from mainstem.projection.setaside.letter import Letter, trouble_of
from mainstem.projection.setaside.sifting import setting_aside, sifting


class Trouble:
    """The policy of one projection, carried out for one lane, in its thread."""

    def __init__(self, policy: Policy, group: str, dsn: str, reporter: Reporter) -> None:
        """Decide by this policy; halts are noted on a connection of its own."""
        self._policy = policy
        self._group = group
        self._session = Session(dsn)
        self._reporter = reporter
        self._seen_clear: frozenset[Place] = frozenset()
        self._clear: frozenset[Place] = frozenset()
        """Partitions in which nothing was set aside, and only this lane sets anything aside."""

    def forget(self, places: Iterable[Place]) -> None:
        """Other members may have set events of these partitions aside."""
        gone = frozenset(places)
        self._clear -= gone
        self._seen_clear -= gone

    def behind(self, batch: Batch) -> Sifting | None:
        """What sets aside events that must wait behind others of their key; None: nothing waits."""
        unknown = frozenset(move.place for move in batch.moves)
        unknown -= self._clear
        self._seen_clear = frozenset()
        return self._sift(batch, unknown) if unknown else None

    def settle(self) -> None:
        """The transaction that looked at the dead letters is committed."""
        self._clear |= self._seen_clear
        self._seen_clear = frozenset()

    def again(self, attempts: int) -> float | None:
        """Seconds until the event is tried once more; None: not again."""
        return deciding.pause_s(self._policy, attempts)

    def set_aside(self, batch: Batch, failed: HandlerFailed, attempts: int) -> Sifting | None:
        """What sets the one event of the batch aside; None: its partition halts instead."""
        if not deciding.sets_aside(self._policy):
            return None
        self.forget(move.place for move in batch.moves)
        at = batch.arrivals[0].delivered.place
        self._reporter.note(f"{self._group}: set aside {at}: {failed.message}")
        return setting_aside(self._group, batch, trouble_of(failed.reason, attempts))

    def halt(self, portion: Portion, failed: HandlerFailed, attempts: int) -> None:
        """Note that the partition stands still at this event."""
        self.forget([portion.place])
        delivered = portion.arrivals[0].delivered
        self._reporter.note(
            f"{self._group}: halted at {delivered.place}: {failed.message};"
            " mend it and run mainstem projection retry, or start anew"
        )
        statement = statements.halt(
            self._group, Letter.of(delivered), trouble_of(failed.reason, attempts)
        )
        # A server that is away must not turn a halted partition into a failed process.
        with contextlib.suppress(MainstemError):
            self._session.ask(statement)

    def close(self) -> None:
        """Close its connection."""
        self._session.close()

    def _sift(self, batch: Batch, unknown: frozenset[Place]) -> Plan[list[Arrival]]:
        found = yield from sifting(self._group, batch, unknown)
        self._seen_clear = found.clear
        return found.arrivals
