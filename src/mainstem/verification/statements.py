"""Every statement of the verification, as a value; they only read."""

from __future__ import annotations

from typing import NamedTuple

from mainstem.postgres import naming


class Columns(NamedTuple):
    """What of an event table decides how its rows are read."""

    key_type: str
    has_metadata: bool


NOW = """
SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
             ELSE pg_current_wal_insert_lsn() END)::text"""
"""Whatever is visible now committed before this LSN; on a standby too."""


ID_MIN = -(1 << 63)
"""Below every id; ids of a table need not begin at 1."""


def rows_after(topic: str, columns: Columns) -> str:
    """The next rows in the order of ids; parameters: last id, how many."""
    return f"{_rows(topic, columns)} WHERE id > %s ORDER BY id LIMIT %s"


def rows_of(topic: str, columns: Columns) -> str:
    """The rows of some ids; parameter: the ids."""
    return f"{_rows(topic, columns)} WHERE id = ANY(%s)"


def _rows(topic: str, columns: Columns) -> str:
    """Id, key as on the wire, data, metadata, timestamp in ms (NULL where it is infinite)."""
    # The text of a key is PostgreSQL's own, as the replication stream carries it.
    key = "key" if columns.key_type == "bytea" else "convert_to(key::text, 'UTF8')"
    metadata = "metadata" if columns.has_metadata else "NULL::bytea"
    # Truncated before the epoch is taken: multiplying a double would round some up.
    floored = "date_trunc('milliseconds', timestamp)"
    millis = f"round(extract(epoch FROM {floored}) * 1000)::bigint"
    when = f"CASE WHEN isfinite(timestamp) THEN {millis} END"
    return f"SELECT id, {key}, data, {metadata}, {when} FROM {naming.table(topic)}"
