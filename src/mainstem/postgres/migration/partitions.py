"""Partitions of a topic by month: which there are, and those to be made ahead of time; plans.

There is no default partition: it would keep a month from being attached once events of it lie
there. An event whose month has no partition is refused, and the error names the command.
"""

from __future__ import annotations

from mainstem.errors import ConfigurationError
from mainstem.postgres import naming
from mainstem.postgres.migration import statements
from mainstem.postgres.migration.months import Month, planned
from mainstem.postgres.migration.steps import each
from mainstem.postgres.plan import Plan
from mainstem.postgres.table import PARTITIONED, EventTable, inspection


def this_month() -> Plan[Month]:
    """The month that it is on the server."""
    ((year, number),) = yield statements.THIS_MONTH
    return Month(year, number)


def partitioned(topic: str) -> Plan[EventTable]:
    """The topic's table; ConfigurationError unless it is partitioned."""
    table = yield from inspection(topic)
    if table.kind != PARTITIONED:
        raise ConfigurationError(
            f"the table {naming.EVENT_SCHEMA}.{topic} is not partitioned",
            hint="a topic is partitioned when it is created: --partition-by month",
        )
    return table


def existing_months(topic: str) -> Plan[list[Month]]:
    """The months that have a partition, in order; partitions of other names are not ours."""
    names = [name for (name,) in (yield statements.partitions(topic))]
    return sorted(month for name in names if (month := month_of(topic, name)) is not None)


def month_of(topic: str, table: str) -> Month | None:
    """The month of a partition by its name; None for a name of another form."""
    year, _, number = table.removeprefix(f"{topic}_").partition("_")
    try:
        return Month.parsed(f"{year}-{number}")
    except ConfigurationError:
        return None


def partitioning(topic: str, ahead: int, since: Month | None = None) -> Plan[list[Month]]:
    """Make the partitions that are missing, up to so many months ahead; answers what was made.

    `since` is the first month, else the one before this.
    """
    table = yield from partitioned(topic)
    yield statements.CREATION_LOCK
    existing = set((yield from existing_months(topic)))
    now = yield from this_month()
    wanted = planned(now, ahead, since)
    append_only = bool((yield statements.has_trigger(table.oid)))
    missing = [month for month in wanted if month not in existing]
    for month in missing:
        yield from each(statements.add_partition(topic, month, append_only=append_only))
    return missing
