"""What `manage.py check` says of our settings, before a request meets it."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from mainstem.contrib.django import database, settings
from mainstem.errors import ConfigurationError

SETTINGS_ID = "mainstem.E001"
DATABASE_ID = "mainstem.E002"


def check(**_: Any) -> list[CheckMessage]:
    """One error for the settings, or one for the database that they name; connects to nothing."""
    try:
        current = settings.current()
    except ConfigurationError as error:
        return [Error(error.message, hint=error.hint, id=SETTINGS_ID)]
    told = database.problem(current.database)
    return [] if told is None else [Error(told[0], hint=told[1], id=DATABASE_ID)]
