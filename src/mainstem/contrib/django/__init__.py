"""Mainstem as a Django app: events saved in the transaction that your models are saved in.

`INSTALLED_APPS` names it, `MAINSTEM` in the settings configures it, and `DATABASES` says where
the events go. It has no models, so `makemigrations` never sees an event table.
"""

from __future__ import annotations

from mainstem.errors import MissingExtra

try:
    import django as _django  # noqa: F401  # Only to see whether it is there.
except ImportError as error:
    raise MissingExtra("django", "mainstem.contrib.django") from error

from mainstem.contrib.django.saving import save, save_many
from mainstem.contrib.django.store import event_store

__all__ = ["event_store", "save", "save_many"]
