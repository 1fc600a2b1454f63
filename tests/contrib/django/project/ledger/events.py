"""What is saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mainstem import event_type

TOPIC: Final = "ledger_events"


@event_type("com.example.ledger")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Somebody noted something."""

    text: str
