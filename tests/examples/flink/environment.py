"""The environment of examples/flink, made once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from mainstem.stack.artifacts import cache
from tests.examples.flink import FLINK

LOCKED = FLINK / "requirements.txt"


def environment() -> Path:
    """A virtual environment of what the example has locked, kept in the user's cache."""
    folder = cache() / f"flink-{hashlib.sha256(LOCKED.read_bytes()).hexdigest()[:12]}"
    made = folder / "made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["-m", "pip", "install", "-q", "--require-hashes", "-r", str(LOCKED)]
        subprocess.run([folder / "bin" / "python", *install], check=True)
        made.touch()
    return folder


def loaded(path: Path) -> ModuleType:
    """A module of the example, which is no package."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Dataclasses look their module up.
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module
