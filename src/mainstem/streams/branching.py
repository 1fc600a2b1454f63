"""Branching: where a stream goes several ways, events are shared and not copied.

The engine copies the value for each way but the first, by pickling, lest one way changes what
another sees. Events and payloads are values, which nobody changes, so they are shared. A window
holds a dict or a list of its own, and is copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from quixstreams.core.stream.functions import base
from quixstreams.utils.pickle import pickle_copier

from mainstem.streams.windows import Window

IMMUTABLE: Final = frozenset({int, float, str, bytes, bool, type(None), frozenset})


def copier(value: Any) -> Callable[[], Any]:
    """What gives each way its value."""
    cls = type(value)
    if cls in IMMUTABLE or (is_frozen(cls) and cls is not Window):
        return lambda: value
    copies: Callable[[], Any] = pickle_copier(value)
    return copies


def is_frozen(cls: type) -> bool:
    """Whether it is a dataclass whose fields cannot be set, as events and most payloads are."""
    parameters = getattr(cls, "__dataclass_params__", None)
    return bool(parameters is not None and parameters.frozen)


def share_events() -> None:
    """Have the engine branch this way, in the whole process; other values are copied as before."""
    setattr(base, "pickle_copier", copier)  # noqa: B010  # Their types say that it is imported.
