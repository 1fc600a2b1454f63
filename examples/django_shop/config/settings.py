"""Settings of the example: PostgreSQL from DATABASE_URL, and Mainstem."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

database = urlsplit(os.environ.get("DATABASE_URL", "postgresql://127.0.0.1:5432/shop"))

SECRET_KEY = "only-an-example"  # noqa: S105  # It guards nothing.
DEBUG = False
ALLOWED_HOSTS = ["localhost", "testserver"]
ROOT_URLCONF = "config.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["mainstem.contrib.django", "shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.path.removeprefix("/"),
        "USER": unquote(database.username or ""),
        "PASSWORD": unquote(database.password or ""),
        "HOST": database.hostname or "",
        "PORT": database.port or "",
    }
}
MAINSTEM = {"TYPES": ["shop.events.OrderPlaced"]}
