"""The examples run as they stand."""

from pathlib import Path

SHOP = Path(__file__).parents[2] / "examples" / "shop"
