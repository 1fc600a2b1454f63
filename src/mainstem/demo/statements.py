"""Statements of the demo: its database, its projection's table, and the table's independent check.

The check reads the events' Avro bytes in SQL (sql/event_table_revenue.sql), so no code of ours
stands between the event table and the sums that the projection's table is held against.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from mainstem.postgres.naming import identifier, table
from mainstem.postgres.statements import Statement

REVENUE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS revenue_by_country_and_month (
    country text,
    month date,
    revenue numeric(14, 2) NOT NULL,
    line_count bigint NOT NULL,
    PRIMARY KEY (country, month)
)
"""

ADD_REVENUE: Final = """
INSERT INTO revenue_by_country_and_month AS known (country, month, revenue, line_count)
SELECT * FROM unnest(%s::text[], %s::date[], %s::numeric[], %s::bigint[])
ON CONFLICT (country, month) DO UPDATE
SET revenue = known.revenue + excluded.revenue,
    line_count = known.line_count + excluded.line_count
"""

PROJECTED_REVENUE: Final = Statement(
    "SELECT country, month, revenue, line_count FROM revenue_by_country_and_month"
)

NUMBER_FUNCTION: Final = Statement(
    files("mainstem.demo").joinpath("sql", "number_at.sql").read_text("utf-8"), answers=False
)


def create_database(name: str) -> str:
    """Create the demo's database; it cannot be part of a transaction."""
    return f"CREATE DATABASE {identifier(name, 'database')}"


def drop_database(name: str) -> str:
    """Drop the demo's database, and whoever is still connected to it."""
    return f"DROP DATABASE IF EXISTS {identifier(name, 'database')} WITH (FORCE)"


def event_table_revenue(topic: str) -> Statement:
    """Revenue by country and month, from the bytes of the event table alone."""
    text = files("mainstem.demo").joinpath("sql", "event_table_revenue.sql").read_text("utf-8")
    return Statement(text.replace("{event_table}", table(topic)))


def applied(group: str) -> Statement:
    """How many events a projection has applied, and how many partitions it has begun."""
    return Statement(
        """
        SELECT coalesce(sum(events), 0)::bigint, count(*)
        FROM _mainstem.projection_offsets WHERE "group" = $1::text
        """,
        (group,),
    )


def open_transaction(application: str) -> Statement:
    """The transaction in which an application has written something: its id, with its epoch."""
    return Statement(
        """
        SELECT ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint >> 32 << 32)
                + backend_xid::text::bigint)::text
        FROM pg_stat_activity
        WHERE application_name = $1::text AND datname = current_database()
          AND backend_xid IS NOT NULL
        """,
        (application,),
    )


def outcome(transaction: str) -> Statement:
    """What became of a transaction: in progress, committed or aborted."""
    return Statement("SELECT pg_xact_status($1::text::xid8)", (transaction,))
