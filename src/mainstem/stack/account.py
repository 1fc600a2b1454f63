"""Whom PostgreSQL runs as: it refuses root, and what it uses must be within that user's reach."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple

UNPRIVILEGED = "nobody"


class Account(NamedTuple):
    """A user that a server runs as."""

    name: str
    uid: int
    gid: int


def unprivileged() -> Account | None:
    """The user for servers that refuse root; None for an ordinary user, who is fine."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable(path: Path) -> bool:
    """Whether every user may pass through all folders down to this path."""
    path = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))
