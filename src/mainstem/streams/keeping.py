"""Keeping: whether the local state is that of this application's changelogs; else it is removed.

Local state is a copy. It says to which offset of its changelog it has come, which means nothing
where the changelog is another one, or the state was written in another format.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from mainstem.errors import ConfigurationError

STAMP: Final = "mainstem.json"
TOMBSTONES_S: Final = 14 * 86_400.0
"""A changelog keeps the deletion of a key for so long (its setting delete.retention.ms)."""
STALE_S: Final = TOMBSTONES_S / 2
"""State on which nobody has worked for so long may have missed a deletion, and the key would live
again: a closed window would give its result a second time."""
ROCKSDB: Final = "CURRENT"
"""A file that each database of RocksDB has."""


def keep_state(folder: Path, ids: dict[str, str], state_format: int) -> str:
    """Remove state of other changelogs, by their topic ids; what to tell of it, or nothing.

    ConfigurationError for a folder that holds anything but state of an engine.
    """
    wanted: dict[str, Any] = {
        "format": state_format,
        "engine": version("quixstreams"),
        "changelogs": dict(sorted(ids.items())),
    }
    stamp = folder / STAMP
    told = ""
    if stamp.exists():
        kept = stamp_of(stamp)
        differing = difference(kept, wanted)
        if not differing:
            # Those that the program does not use now may be wanted again.
            wanted["changelogs"] = {**kept["changelogs"], **ids}
        else:
            gone = folder.with_name(f"{folder.name}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            folder.rename(gone)
            shutil.rmtree(gone)
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


def drop_stale(folder: Path, partitions: Iterable[int], now_s: float) -> int:
    """Remove state of these partitions that is too old to be brought up to date; how many stores.

    `now_s` is a time of day. A partition may have been elsewhere while the instance went on, so
    each is judged by its own files. It must not be open.
    """
    dropped = 0
    for number in set(partitions):
        for path in list(folder.rglob(str(number))):
            if (path / ROCKSDB).exists() and newest_s(path) < now_s - STALE_S:
                shutil.rmtree(path)
                dropped += 1
    return dropped


def newest_s(folder: Path) -> float:
    """When a file in the folder was last written."""
    return max(path.stat().st_mtime for path in folder.iterdir())


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
