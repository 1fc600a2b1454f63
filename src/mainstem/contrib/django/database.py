"""A database of Django's as libpq knows it, and whether events can be kept in it."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.utils.connection import ConnectionDoesNotExist

from mainstem.errors import ConfigurationError

ROLE = "assume_role"
"""What Django does by `SET ROLE` after it has connected, our own connections ask for at once."""


def conninfo(alias: str) -> str:
    """The address of this database for connections of our own, with all that Django knows of it.

    ConfigurationError where `problem` finds one.
    """
    told = problem(alias)
    if told is not None:
        raise ConfigurationError(told[0], hint=told[1])
    # psycopg is imported only after Django was seen to use it.
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415  # As the line above says.
    from psycopg.pq import Conninfo  # noqa: PLC0415  # As above.

    connection = connections[alias]
    keywords = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given: dict[str, Any] = connection.get_connection_params()
    known = {key: value for key, value in given.items() if key in keywords}
    role = connection.settings_dict["OPTIONS"].get(ROLE)
    if role:
        known["options"] = f"{known.get('options', '')} -c role={escaped(role)}".strip()
    return make_conninfo(**known)


def problem(alias: str) -> tuple[str, str] | None:
    """Why no event can be saved in this database, and what to do; nothing is connected."""
    try:
        connection = connections[alias]
    except ConnectionDoesNotExist:
        return f"DATABASES has no {alias!r}", "name one of its aliases"
    if connection.vendor != "postgresql":
        return (
            f"the database {alias!r} is not PostgreSQL but {connection.vendor}",
            "events are kept in PostgreSQL: name such a database in MAINSTEM['DATABASE']",
        )
    from django.db.backends.postgresql.psycopg_any import (  # noqa: PLC0415  # It loads the driver.
        is_psycopg3,
    )

    if not is_psycopg3:
        return "Django uses psycopg2, Mainstem psycopg 3", "pip install 'mainstem[django]'"
    return None


def escaped(value: str) -> str:
    """The value as a word of libpq's `options`."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
