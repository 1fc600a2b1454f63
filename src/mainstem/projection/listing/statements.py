"""What is read for a list of projections, as values."""

from __future__ import annotations

from typing import Final

from mainstem.postgres.statements import Statement

PROJECTIONS: Final = Statement(
    """
    SELECT p."group", p.name, p.version, p.state, p.schema, p.topics,
           (SELECT count(*) FROM _mainstem.dead_letters d
            WHERE d."group" = p."group" AND d.state <> 'discarded')
    FROM _mainstem.projections p
    ORDER BY p.name, p.version, p."group"
    """
)

OFFSETS: Final = Statement(
    """
    SELECT "group", topic, "partition", topic_id, "offset", events
    FROM _mainstem.projection_offsets
    ORDER BY "group", topic, "partition"
    """
)

HALTS: Final = Statement(
    """
    SELECT "group", topic, "partition", "offset", event_id, error_type, attempts, halted_at
    FROM _mainstem.projection_halts
    ORDER BY "group", topic, "partition"
    """
)
