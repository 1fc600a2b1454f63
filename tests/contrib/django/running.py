"""Runs Django's command line for the project, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60.0


def django(
    address: str, *arguments: str, settings: str = "tests.contrib.django.project.settings"
) -> subprocess.CompletedProcess[str]:
    """Run `django-admin` with these arguments; warnings are errors there, too."""
    return manage(address, "-m", "django", *arguments, settings=settings, folder=ROOT)


def manage(
    address: str, *arguments: str, settings: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments where this database is the project's."""
    variables = dict(os.environ)
    for name in list(variables):
        if name == "KAFKA_BOOTSTRAP" or name.startswith("MAINSTEM_"):
            del variables[name]
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**variables, "DATABASE_URL": url(address), "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def url(address: str) -> str:
    """The address as a URL, which is what people have in DATABASE_URL."""
    told = {key: str(value) for key, value in conninfo_to_dict(address).items()}
    secret = f":{quote(told['password'], safe='')}" if "password" in told else ""
    place = f"{told.get('host', 'localhost')}:{told.get('port', '5432')}"
    return f"postgresql://{quote(told['user'], safe='')}{secret}@{place}/{told['dbname']}"
