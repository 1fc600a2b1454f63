"""What is saved beside the events."""

from __future__ import annotations

from django.db import models


class Entry(models.Model):
    """A row in the transaction of an event."""

    key = models.UUIDField(unique=True)

    def __str__(self) -> str:
        """The entry for people."""
        return str(self.key)
