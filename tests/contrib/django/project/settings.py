"""Settings of the project: two databases on the server of DATABASE_URL."""

from __future__ import annotations

import json
import os
from typing import Any

from psycopg.conninfo import conninfo_to_dict

address = conninfo_to_dict(os.environ["DATABASE_URL"])


def database(name: str, **more: Any) -> dict[str, Any]:
    """A database of Django's, on that server."""
    place = {key: str(address.get(key.lower(), "")) for key in ("USER", "PASSWORD", "HOST", "PORT")}
    return {"ENGINE": "django.db.backends.postgresql", "NAME": name, **place, **more}


SECRET_KEY = "test"
USE_TZ = True
ROOT_URLCONF = "tests.contrib.django.project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["mainstem.contrib.django", "tests.contrib.django.project.ledger"]
DATABASES = {
    "default": database(str(address["dbname"])),
    "other": database(f"{address['dbname']}_other"),
    "small": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
MAINSTEM = {
    "TYPES": ["tests.contrib.django.project.ledger.events.Noted"],
    **json.loads(os.environ.get("TEST_MAINSTEM", "{}")),
}
"""A test of the checks says by a variable what is wrong."""
