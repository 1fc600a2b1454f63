"""Steps: statements as a plan, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Statement


def each(statements: Iterable[Statement]) -> Plan[None]:
    """Run all of them; their answers are of no interest."""
    # Not `yield from`: a driver sends answers, which only a generator takes.
    for statement in statements:  # noqa: UP028  # As the comment says.
        yield statement
