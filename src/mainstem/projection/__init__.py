"""Projections: read models in PostgreSQL that follow the events, exactly once.

The names below are loaded when first asked for, as those of the stores are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainstem.projection.definition import Definition, Projection, define
    from mainstem.projection.handlers import on
    from mainstem.projection.inline import AsyncInlineProjections, InlineProjections
    from mainstem.projection.kept_offsets import PostgresOffsets
    from mainstem.projection.policy import DeadLetter, Retry, Stop
    from mainstem.projection.projector import Projector
    from mainstem.projection.settings import ProjectorSettings
    from mainstem.projection.streams.stream_projection import StreamProjection

__all__ = [
    "AsyncInlineProjections",
    "DeadLetter",
    "Definition",
    "InlineProjections",
    "PostgresOffsets",
    "Projection",
    "Projector",
    "ProjectorSettings",
    "Retry",
    "Stop",
    "StreamProjection",
    "define",
    "on",
]

PLACES = {
    "AsyncInlineProjections": "inline",
    "InlineProjections": "inline",
    "PostgresOffsets": "kept_offsets",
    "Projector": "projector",
    "ProjectorSettings": "settings",
    "StreamProjection": "streams.stream_projection",
    "DeadLetter": "policy",
    "Definition": "definition",
    "Projection": "definition",
    "Retry": "policy",
    "Stop": "policy",
    "define": "definition",
    "on": "handlers",
}


def __getattr__(name: str) -> object:
    """A public name, from the file that holds it."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
