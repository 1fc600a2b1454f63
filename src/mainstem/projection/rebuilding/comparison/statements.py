"""Every statement of the comparison of two tables, as a value; they only read.

Names of columns come from the catalog, and are put in double quotes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mainstem.postgres.statements import Statement

EXAMPLES_MAX: Final = 5
"""Keys that a comparison gives of each kind of difference."""

SNAPSHOT: Final = Statement("SELECT pg_catalog.pg_current_snapshot()::text")
"""The first statement of a transaction, which fixes what all others of it see."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    key: bool
    """Whether it is of the primary key."""
    comparable: bool
    """Whether `=` knows its type; if not, its text is compared."""

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def cast(self) -> str:
        """What makes its values comparable."""
        return "" if self.comparable else "::text"


def columns_of(schema: str, table: str) -> Statement:
    """Each column as `Column` has it, in the order of the table; none where there is no table."""
    return Statement(
        """
        SELECT a.attname::text, COALESCE(a.attnum = ANY (k.conkey), false),
               t.typname NOT IN ('json', 'xml', 'point', 'line', 'lseg', 'box', 'path',
                                 'polygon', 'circle')
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
        WHERE n.nspname = $1::text AND c.relname = $2::text
          AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        (schema, table),
    )


def count(table: str) -> Statement:
    """How many rows the table of this quoted name has."""
    return Statement(f"SELECT count(*) FROM {table}")


def differences(old: str, new: str, columns: Sequence[Column]) -> Statement:
    """Kind, count and first keys of rows that are in one table only, or that differ.

    `old` and `new` are quoted names of tables with these columns, some of them the primary key.
    """
    keys = [column.quoted for column in columns if column.key]
    joined = " AND ".join(f"o.{key} = n.{key}" for key in keys)
    shown = ", ".join(f"COALESCE(o.{key}, n.{key})::text" for key in keys)
    differing = " OR ".join(
        f"o.{column.quoted}{column.cast} IS DISTINCT FROM n.{column.quoted}{column.cast}"
        for column in columns
    )
    return Statement(
        f"""
        SELECT kind, count(*), array_agg(shown ORDER BY shown) FILTER (
                   WHERE place <= {EXAMPLES_MAX})
        FROM (SELECT kind, shown, row_number() OVER (PARTITION BY kind ORDER BY shown) AS place
              FROM (SELECT concat_ws(', ', {shown}) AS shown,
                           CASE WHEN n.{keys[0]} IS NULL THEN 'only_old'
                                WHEN o.{keys[0]} IS NULL THEN 'only_new'
                                ELSE 'different' END AS kind
                    FROM {old} o FULL JOIN {new} n ON {joined}
                    WHERE {differing}) AS pairs) AS numbered
        GROUP BY kind
        """
    )


def unkeyed_differences(old: str, new: str, columns: Sequence[Column]) -> Statement:
    """As `differences`, for tables without primary key, whose rows are compared as a whole."""
    names = ", ".join(f"{column.quoted}{column.cast}" for column in columns)
    return Statement(
        f"""
        SELECT 'only_old', count(*), NULL::text[]
        FROM (SELECT {names} FROM {old} EXCEPT ALL SELECT {names} FROM {new}) AS lost
        UNION ALL
        SELECT 'only_new', count(*), NULL::text[]
        FROM (SELECT {names} FROM {new} EXCEPT ALL SELECT {names} FROM {old}) AS gained
        """
    )
