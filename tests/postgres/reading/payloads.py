"""Payloads of the tests of reading, beside the note that all tests of the store have."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem.schema.declare import event_type


@event_type("com.example.postgres")
@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A second type, so that there is something to filter."""

    amount: int
