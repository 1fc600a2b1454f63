"""Rebuilding: a projection's tables are built anew while the old ones serve, then exchanged."""

from mainstem.projection.rebuilding.keyed import KeyReport, rebuild_key
from mainstem.projection.rebuilding.rebuild import RebuildReport, rebuild, rehearse
from mainstem.projection.rebuilding.work import Progress, RebuildSettings

__all__ = [
    "KeyReport",
    "Progress",
    "RebuildReport",
    "RebuildSettings",
    "rebuild",
    "rebuild_key",
    "rehearse",
]
