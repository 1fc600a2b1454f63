"""Protecting: a topic that is there gets the trigger that forbids to change its events; a plan.

Tables of earlier versions and of other programs are taken over without it.
"""

from __future__ import annotations

from mainstem.postgres.migration import statements
from mainstem.postgres.migration.migrating import running
from mainstem.postgres.migration.script import protection_script
from mainstem.postgres.plan import Plan
from mainstem.postgres.table import inspection


def protecting(topic: str) -> Plan[list[str]]:
    """Let the table and its partitions refuse changes; those that did not so far.

    UnknownTopic if there is no table. A writer that holds it for 5 s makes it fail.
    """
    table = yield from inspection(topic)
    open_to_changes = [name for (name,) in (yield statements.unprotected(table.oid))]
    if open_to_changes:
        yield from running(protection_script(topic))
    return open_to_changes
