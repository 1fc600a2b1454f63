"""Applier: batches into the database, one transaction each, through a projection's handlers."""

from __future__ import annotations

from mainstem.projection.applying import Sifting, application
from mainstem.projection.batch import Batch
from mainstem.projection.definition import Definition
from mainstem.projection.kinds.address import Address
from mainstem.projection.points import Point, Probe, no_probe
from mainstem.projection.seat import Seat
from mainstem.projection.transactions import transactions


class Applier:
    """Applies batches of one projection in one seat; for one thread at a time."""

    def __init__(
        self, definition: Definition, seat: Seat, dsn: str, probe: Probe = no_probe
    ) -> None:
        """Connect at the first batch, to this database."""
        self.definition = definition
        self.seat = seat
        self._probe = probe
        self._transactions = transactions(definition.transaction, Address(dsn, seat.schema))

    def apply(self, batch: Batch, sifting: Sifting | None = None) -> None:
        """Move the offsets, sift, apply the events: one transaction, all of it or nothing.

        Raises OffsetsMoved where another member went on from there, HandlerFailed for events that
        cannot be applied, ServerUnavailable and TransactionFailed for what passes, and a Refusal
        where the projection is retired. Where the outcome of the commit is not known, the same
        batch may be applied again: its offsets have moved, or it has not happened.
        """
        steps = application(self.definition, self.seat.group, batch, self._probe, sifting)
        self._transactions.run(steps)
        self._probe(Point.COMMITTED)

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back."""
        self._transactions.close()
