"""What the drivers themselves have to say to PostgreSQL."""

from __future__ import annotations

from typing import Final

CHEAPEST: Final = "SELECT 1"
"""Given to SQLAlchemy where it is to begin its transaction: it does so with the first statement."""
