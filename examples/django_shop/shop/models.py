"""The orders as they are now."""

from __future__ import annotations

from uuid import uuid4

from django.db import models


class Order(models.Model):
    """An order; its events have its id as their key."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    customer = models.TextField()
    total = models.DecimalField(max_digits=12, decimal_places=2)

    def __str__(self) -> str:
        """The order for people."""
        return f"{self.customer}: {self.total}"
