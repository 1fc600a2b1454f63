"""When two schema texts count as the same schema; pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mainstem.errors import RegistryRejected

TEXT_BYTES_MAX = 262_144
JAVA_ONLY = "avro.java.string"
"""Java's registered texts say how its own classes hold strings; the bytes are the same."""


def fingerprint(schema_text: str) -> bytes:
    """Equal for texts that differ only in white space, order of keys, or Java's string property.

    Everything else counts: names, order of fields, defaults, aliases, docs and logical types.
    Raises RegistryRejected for what is no JSON, or too long.
    """
    if len(schema_text.encode(errors="replace")) > TEXT_BYTES_MAX:
        raise RegistryRejected(f"a schema text of more than {TEXT_BYTES_MAX} bytes")
    try:
        parsed = without_java(json.loads(schema_text))
    except (ValueError, RecursionError) as error:
        raise RegistryRejected("the schema text is not JSON") from error
    text = json.dumps(parsed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def without_java(node: Any) -> Any:
    """The same JSON without Java's property; a bare type is one that has no other key left."""
    if isinstance(node, list):
        return [without_java(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: without_java(value) for key, value in node.items() if key != JAVA_ONLY}
    is_bare = JAVA_ONLY in node and set(kept) == {"type"}
    return kept["type"] if is_bare else kept
