"""What can happen to an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from mainstem import Dec, event_type


@event_type("com.example.shop")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Somebody ordered."""

    customer: str
    total: Annotated[Decimal, Dec(12, 2)]
