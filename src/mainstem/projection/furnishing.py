"""Furnishing: the tables of a projection, created by its class's `ddl` where they are not there."""

from __future__ import annotations

from mainstem.postgres.drivers.failures import mapped
from mainstem.projection import statements
from mainstem.projection.definition import Definition
from mainstem.projection.kinds.address import Address
from mainstem.projection.kinds.psycopg_kind import PsycopgDesk
from mainstem.projection.seat import Seat


def furnish(definition: Definition, seat: Seat, dsn: str) -> None:
    """Run the class's `ddl` in the schema of the seat, one member at a time.

    Raises ConfigurationError for a role that may not, and ServerUnavailable.
    """
    if not definition.ddl:
        return
    desk = PsycopgDesk(Address(dsn, seat.schema))
    try:
        with mapped(), desk.begin() as tx:
            # CREATE … IF NOT EXISTS fails where two sessions do it at the same time.
            tx.execute(statements.FURNISHING_LOCK.sql)
            tx.execute(definition.ddl.encode())
    finally:
        desk.close()
