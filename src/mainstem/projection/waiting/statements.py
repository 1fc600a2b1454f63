"""Statements that tell how far a projection is: topic, partition, offset, and why it is halted."""

from __future__ import annotations

from mainstem.postgres.statements import Statement


def standings(group: str) -> Statement:
    """How far the projection of this group is, by our own table."""
    return Statement(
        """
        SELECT o.topic, o."partition", o."offset", h.error_type
        FROM _mainstem.projection_offsets o
        LEFT JOIN _mainstem.projection_halts h
          ON h."group" = o."group" AND h.topic = o.topic AND h."partition" = o."partition"
        WHERE o."group" = $1::text
        """,
        (group,),
    )


def original_standings(table: str, group: str) -> Statement:
    """As `standings`, by a table of the Java original's form."""
    return Statement(
        f"""
        SELECT o.topic, o."partition", o."offset", h.error_type
        FROM {table} o
        LEFT JOIN _mainstem.projection_halts h
          ON h."group" = $1::text AND h.topic = o.topic AND h."partition" = o."partition"
        """,
        (group,),
    )
