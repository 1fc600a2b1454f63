"""Reads the golden vectors; their formats stand in README.md beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def vectors(name: str) -> Any:
    """The JSON of one file of vectors."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
