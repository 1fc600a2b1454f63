"""SQL of the torture: what it strikes with, and how our own adapter looks at the truth."""

from __future__ import annotations

from mainstem.postgres import naming

CLIENTS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND backend_type IN ('client backend', 'walsender')"""

END_CONNECTION = "SELECT pg_terminate_backend(%s)"

CREATE_PUBLICATION = (
    "CREATE PUBLICATION mainstem WITH (publish = 'insert', publish_via_partition_root = true)"
)
HAS_PUBLICATION = "SELECT 1 FROM pg_publication WHERE pubname = 'mainstem'"

ORDER = """
SELECT data FROM pg_logical_slot_peek_binary_changes(
    %s, NULL, NULL, 'proto_version', '1', 'publication_names', 'mainstem', 'binary', 'true')"""


def read_key(topic: str) -> str:
    """The events of a key, with the ids that tell them apart in the slot."""
    return f"SELECT version, data FROM {naming.table(topic)} WHERE key = %s ORDER BY version, id"


def read_ids(topic: str) -> str:
    """The data of every event by its id."""
    return f"SELECT id, data FROM {naming.table(topic)}"
