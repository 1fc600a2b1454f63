"""State: what a stateful function keeps for the key of the event at hand; Quix Streams' own."""

from __future__ import annotations

from typing import Any, TypeAlias

from quixstreams import state as theirs

State: TypeAlias = theirs.State[Any, Any]
"""`get(key, default)`, `set(key, value)`, `exists(key)` and `delete(key)`, for one event key.

Values are what `InternalCodec` takes: plain values, lists, dicts, tuples, sets, events, and
payloads of declared classes. What is changed in place must be set again.
"""

__all__ = ["State"]
