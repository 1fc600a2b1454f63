"""The Django example, under its own test runner, on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from tests.contrib.django.running import manage

pytestmark = pytest.mark.stack
FOLDER = Path(__file__).parents[2] / "examples" / "django_shop"


def test_the_tests_of_the_example_pass(database_url: str) -> None:
    """Aim: people copy what works. Method: `manage.py test`, and a check for missing migrations."""
    address = make_conninfo(database_url, dbname=f"dj{uuid4().hex[:12]}")
    done = manage(address, "manage.py", "test", settings="config.settings", folder=FOLDER)

    assert done.returncode == 0, done.stderr
    assert "Ran 2 tests" in done.stderr


def test_the_migration_of_the_example_is_complete(fresh_database: str) -> None:
    """Aim: models and migration agree. Method: `makemigrations --check` finds nothing."""
    done = manage(
        fresh_database,
        *("manage.py", "makemigrations", "--check", "--dry-run"),
        settings="config.settings",
        folder=FOLDER,
    )

    assert done.returncode == 0, done.stdout + done.stderr
