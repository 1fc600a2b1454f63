"""Flink's connectors: fetched the first time by jgo, and refused unless their hashes match."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jgo.maven import MavenContext

PINNED = Path(__file__).parent / "jars.sha256"


def jars() -> list[Path]:
    """Every pinned jar, in Maven's usual folder; a ValueError for one that was not pinned so."""
    lines = [line.split() for line in PINNED.read_text(encoding="utf-8").splitlines()]
    return [jar(coordinate, sha256) for sha256, coordinate in lines]


def jar(coordinate: str, sha256: str) -> Path:
    """One of them."""
    group, name, version = coordinate.split(":")
    context = MavenContext(local_repos=[])
    path = context.project(group, name).at_version(version).artifact("", "jar").resolve()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} has SHA-256 {found}, not {sha256}; remove it and try again")
    return Path(path)


if __name__ == "__main__":
    for each in jars():
        print(each)  # noqa: T201  # What the program is for.
