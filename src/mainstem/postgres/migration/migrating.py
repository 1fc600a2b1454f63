"""Migrating: which migrations a database lacks, and how one is applied; plans.

Nothing here runs when a store or a replicator starts: a person or a deployment calls for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.errors import ConfigurationError
from mainstem.postgres.migration import statements
from mainstem.postgres.migration.files import Migration, migrations
from mainstem.postgres.migration.script import recorded
from mainstem.postgres.migration.steps import each
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import Statement


def pending(available: Iterable[Migration] | None = None) -> Plan[list[Migration]]:
    """The migrations that were not applied yet, in order.

    What a newer version has applied is left out: its `pre` migrations are harmless to this one.
    """
    applied = yield from records()
    return lacking(applied, migrations() if available is None else available)


def records() -> Plan[dict[str, str]]:
    """The checksum of each migration that was applied; none without a table of them."""
    ((exist,),) = yield statements.RECORDS_EXIST
    if not exist:
        return {}
    return dict((yield statements.RECORDS))


def lacking(applied: dict[str, str], available: Iterable[Migration]) -> list[Migration]:
    """Those that were not applied; ConfigurationError if one was changed since it was."""
    missing = []
    for migration in available:
        checksum = applied.get(migration.name)
        if checksum is None:
            missing.append(migration)
        elif checksum != migration.checksum:
            raise ConfigurationError(
                f"the migration {migration.name} was applied in another form"
                f" ({checksum}, here {migration.checksum})",
                hint="use the version of Mainstem that the database was migrated with, or newer",
            )
    return missing


def applying(migration: Migration) -> Plan[bool]:
    """Apply it and note it, in one transaction; False if another one did so meanwhile."""
    yield statements.MIGRATION_LOCK
    yield from each(statements.CREATE_RECORDS)
    if not lacking((yield from records()), [migration]):
        return False
    yield from each(recorded(migration))
    return True


def running(script: Iterable[str]) -> Plan[None]:
    """Run a script; its statements have no parameters."""
    yield from each(Statement(sql, answers=False) for sql in script)
