"""The store of this process: opened when first asked for, closed when the process ends.

Servers of Django fork and its tests change databases, so a store is kept only while it is of
this process and of the database that Django means.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS

from mainstem.assembly import registry_for
from mainstem.contrib.django import settings
from mainstem.contrib.django.database import conninfo
from mainstem.contrib.django.settings import DjangoSettings

if TYPE_CHECKING:
    from mainstem.postgres import PostgresEventStore


class Origin(NamedTuple):
    """What a store was opened from; if that changes, another store is needed."""

    settings: DjangoSettings
    database_name: str
    """Django's tests change it, and nothing else of a database."""


class Holder:
    """Holds the store of one process; threads may ask at the same time."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._lock = threading.Lock()
        self._origin: Origin | None = None
        self._store: PostgresEventStore | None = None
        self._opened = ExitStack()

    def store(self) -> PostgresEventStore:
        """The store for what Django means now."""
        current = settings.current()
        origin = Origin(current, database_name(current.database))
        with self._lock:
            if self._store is None or origin != self._origin:
                self._release()
                self._store, self._origin = self._open(current), origin
            return self._store

    def close(self) -> None:
        """Close what was opened; a later call opens anew."""
        with self._lock:
            self._release()

    def _release(self) -> None:
        self._store = None
        self._opened.close()

    def _open(self, current: DjangoSettings) -> PostgresEventStore:
        """A store that connects when it first has to; with its registry, both closed together."""
        # Django imports its apps for every command, and most of them save nothing.
        from mainstem.postgres import PostgresEventStore  # noqa: PLC0415  # As the line above says.

        dsn = conninfo(current.database)
        registry = registry_for(dsn, current.schema_registry_url)
        self._opened.callback(registry.close)
        opened = PostgresEventStore.open(dsn, registry=registry, types=current.types)
        return self._opened.enter_context(opened)


def database_name(alias: str) -> str:
    """The name under which this database is reached now; empty for an alias that is unknown."""
    return str(connections[alias].settings_dict["NAME"]) if alias in connections else ""


def event_store() -> PostgresEventStore:
    """The event store of this process, for the database that MAINSTEM names.

    Do not close it and do not keep it: ask again, which costs microseconds. ConfigurationError
    where `manage.py check` would find one.
    """
    return held[-1].store()


def make_way(*, connection: Any, **_: object) -> None:
    """Leave the database where Django is about to create, clone or drop one: as tests end.

    PostgreSQL refuses that while anybody is connected. A later call opens a new store.
    """
    if connection.alias == NO_DB_ALIAS:
        held[-1].close()


def begin_anew() -> None:
    """Hold a new store in a process that was forked.

    The one before stays untouched: its sockets and threads are those of the parent.
    """
    held.append(Holder())


def close() -> None:
    """Close the store of this process."""
    held[-1].close()


held: Final = [Holder()]
"""The holder of this process comes last; those before it are of the processes it came from."""

os.register_at_fork(after_in_child=begin_anew)
atexit.register(close)
