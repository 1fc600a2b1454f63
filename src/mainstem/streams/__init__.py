"""Streams: state, windows and joins over events, exactly once, on Quix Streams behind a facade.

The names below are loaded when first asked for, as those of the stores are: the engine takes a
second to import.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from mainstem.errors import MissingExtra

if TYPE_CHECKING:
    from mainstem.streams.aggregations import (
        Collect,
        Count,
        Earliest,
        Latest,
        Max,
        Mean,
        Min,
        Sum,
    )
    from mainstem.streams.application import StreamApp, stream_app
    from mainstem.streams.internal import Cipher
    from mainstem.streams.policy import DeadLetterTopic, Stop
    from mainstem.streams.settings import StreamSettings
    from mainstem.streams.state import State
    from mainstem.streams.store import KafkaStreamsStore
    from mainstem.streams.stream import EventStream
    from mainstem.streams.subscribing import Streams
    from mainstem.streams.windows import Window

__all__ = [
    "Cipher",
    "Collect",
    "Count",
    "DeadLetterTopic",
    "Earliest",
    "EventStream",
    "KafkaStreamsStore",
    "Latest",
    "Max",
    "Mean",
    "Min",
    "State",
    "Stop",
    "StreamApp",
    "StreamSettings",
    "Streams",
    "Sum",
    "Window",
    "stream_app",
]

OURS = "mainstem.streams"
PLACES = {
    "Cipher": f"{OURS}.internal",
    "Collect": f"{OURS}.aggregations",
    "Count": f"{OURS}.aggregations",
    "DeadLetterTopic": f"{OURS}.policy",
    "Earliest": f"{OURS}.aggregations",
    "EventStream": f"{OURS}.stream",
    "KafkaStreamsStore": f"{OURS}.store",
    "Latest": f"{OURS}.aggregations",
    "Max": f"{OURS}.aggregations",
    "Mean": f"{OURS}.aggregations",
    "Min": f"{OURS}.aggregations",
    "State": f"{OURS}.state",
    "Stop": f"{OURS}.policy",
    "StreamApp": f"{OURS}.application",
    "StreamSettings": f"{OURS}.settings",
    "Streams": f"{OURS}.subscribing",
    "Sum": f"{OURS}.aggregations",
    "Window": f"{OURS}.windows",
    "stream_app": f"{OURS}.application",
}
PACKAGES = frozenset({"quixstreams", "msgpack", "confluent_kafka"})


def __getattr__(name: str) -> object:
    """A public name, from the file that holds it."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        # The engine imports a library that insists on telling each user about its own future.
        with warnings.catch_warnings(record=True):
            return getattr(import_module(PLACES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise MissingExtra("streams", "mainstem.streams") from error
