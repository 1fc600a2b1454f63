"""The guard: a rebuild's transactions, which commit only if they left the live tables alone.

Handlers reach the shadow because they write names without a schema. One that writes a schema's
name too would apply every event to the tables that serve, once more. A transaction holds a lock on
each table that it has used, so whether it did is asked just before the commit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.errors import ConfigurationError
from mainstem.postgres.drivers.failures import FOREIGN
from mainstem.projection.applying import Application, Handle, Sifting, application
from mainstem.projection.batch import Batch
from mainstem.projection.definition import Definition
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.handlers import Handler
from mainstem.projection.kinds.address import Address
from mainstem.projection.points import no_probe
from mainstem.projection.rebuilding.catalog import statements as catalog
from mainstem.projection.rebuilding.planning import RebuildPlan
from mainstem.projection.reporting import Silent
from mainstem.projection.transactions import Transactions, transactions
from mainstem.projection.trouble import Trouble
from mainstem.refusals import refusal

RELAXED: Final = "-c synchronous_commit=off"
"""A crash of the server may take the last transactions of a shadow, but rows and offsets together:
the rebuild repeats them. The swap's own commit waits for the disk, and so for all before it."""
UNIT_OF_WORK: Final = "sqlalchemy"


@dataclass(frozen=True, slots=True)
class GuardedApplier:
    """Applies batches to the shadow."""

    plan: RebuildPlan
    transactions: Transactions
    trouble: Trouble
    """The projection's policy, which holds for a rebuild too."""
    oids: Sequence[int]
    """Of the tables that serve."""

    def apply(self, batch: Batch) -> None:
        """Apply it in one transaction.

        Raises the refusal `projection-qualified-names`, and what a projector's lane would.
        """
        self.transactions.run(self._steps(batch, self.trouble.behind(batch)))

    def judge(self, batch: Batch, failed: HandlerFailed) -> bool:
        """Try the one event of a batch again, or set it aside; False: neither is its policy."""
        attempts = 1
        while (after_s := self.trouble.again(attempts)) is not None:
            threading.Event().wait(after_s)
            attempts += 1
            try:
                self.apply(batch)
            except HandlerFailed as again:
                failed = again
            else:
                return True
        aside = self.trouble.set_aside(batch, failed, attempts)
        if aside is not None:
            self.transactions.run(self._steps(batch, aside))
        return aside is not None

    def _steps(self, batch: Batch, sifting: Sifting | None) -> Application:
        """The steps of a projector, and then a look at what they have touched."""
        definition = self.plan.definition
        yield from application(definition, self.plan.shadow.group, batch, no_probe, sifting)
        if flush := flushing(definition):
            yield flush
        if touched := (yield catalog.touched(self.plan.shadow.schema, self.oids)):
            raise refusal(
                "projection-qualified-names",
                f"the handlers of {definition.name} use {', '.join(name for (name,) in touched)},"
                " outside of the tables that are being built",
            )


@contextmanager
def guarded(plan: RebuildPlan, database_url: str, oids: Sequence[int]) -> Iterator[GuardedApplier]:
    """What applies batches to the shadow, for the block."""
    address = Address(relaxed(database_url), plan.shadow.schema)
    with ExitStack() as stack:
        made = transactions(plan.definition.transaction, address)
        stack.callback(made.close)
        trouble = Trouble(plan.definition.policy, plan.shadow.group, database_url, Silent())
        stack.callback(trouble.close)
        yield GuardedApplier(plan, made, trouble, oids)


def relaxed(database_url: str) -> str:
    """The address, of sessions that do not wait for the disk."""
    try:
        options = conninfo_to_dict(database_url).get("options")
        return make_conninfo(database_url, options=f"{options or ''} {RELAXED}".strip())
    except FOREIGN as error:
        raise ConfigurationError("the address of PostgreSQL cannot be read") from error


def flushing(definition: Definition) -> Handle | None:
    """A step that sends what a unit of work has gathered; None for kinds that send at once."""
    kind = definition.transaction
    if kind is None or kind.__module__.partition(".")[0] != UNIT_OF_WORK:
        return None

    def flush(_: Any, session: Any) -> Any:
        return session.flush()

    return Handle(Handler("flush", (), True, False, kind, flush), None)  # noqa: FBT003  # Two fields of a tuple.
