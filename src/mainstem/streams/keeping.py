"""Keeping: whether the local state is that of this application's changelogs; else it is removed.

Local state is a copy. It says to which offset of its changelog it has come, which means nothing
where the changelog is another one, or the state was written in another format.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mainstem.errors import ConfigurationError

STAMP: Final = "mainstem.json"


def keep_state(folder: Path, ids: dict[str, str], state_format: int) -> str:
    """Remove state of other changelogs, by their topic ids; what to tell of it, or nothing.

    ConfigurationError for a folder that holds anything but state of an engine.
    """
    wanted = {
        "format": state_format,
        "engine": version("quixstreams"),
        "changelogs": dict(sorted(ids.items())),
    }
    stamp = folder / STAMP
    told = ""
    if stamp.exists():
        differing = difference(stamp_of(stamp), wanted)
        if differing:
            shutil.rmtree(folder)
            told = f"the local state was of another {differing}; it is restored from its changelogs"
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(
            f"the folder {folder} holds files, but no {STAMP} that says what they are",
            hint="give another state_dir, or delete the folder: state is restored from Kafka",
        )
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{STAMP}.new"
    beside.write_text(json.dumps(wanted))
    beside.replace(stamp)
    return told


def stamp_of(path: Path) -> Any:
    """What the stamp says; nothing where it cannot be read."""
    try:
        return json.loads(path.read_text())
    except ValueError:
        return {}


def difference(found: Any, wanted: dict[str, Any]) -> str:
    """The first thing that differs; nothing where none does."""
    names = {"format": "format", "engine": "version of the engine", "changelogs": "changelog"}
    for key, name in names.items():
        kept = found.get(key) if isinstance(found, dict) else None
        if key == "changelogs" and isinstance(kept, dict):
            # A program that grew has more of them, and lost ones are nobody's trouble.
            if any(kept[topic] != wanted[key].get(topic, kept[topic]) for topic in kept):
                return name
        elif kept != wanted[key]:
            return name
    return ""
