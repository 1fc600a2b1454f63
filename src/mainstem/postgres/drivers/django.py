"""Django: run the plan on a database's connection, inside `transaction.atomic()` and only there.

Our cursor is our own, so Django's settings of cursors do not matter. Where PostgreSQL gave the
transaction up, Django is told, so that it rolls back at the end of the block or savepoint and
refuses further queries, as after an error of the database that it met itself.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from mainstem.errors import ConnectionMisused, MainstemError, MissingExtra
from mainstem.postgres.drivers.psycopg import LentConnection
from mainstem.postgres.drivers.sqlstates import failed_transaction
from mainstem.postgres.plan import Plan, Scope

try:
    from django.core.exceptions import ImproperlyConfigured
except ImportError as error:
    raise MissingExtra("django", "saving within Django's transaction") from error

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError
from django.utils.connection import ConnectionDoesNotExist, ConnectionProxy

T = TypeVar("T")

Given: TypeAlias = "str | BaseDatabaseWrapper | ConnectionProxy[BaseDatabaseWrapper]"

GIVEN_UP: Final = (TransactionStatus.INERROR, TransactionStatus.UNKNOWN)
"""The states after which PostgreSQL commits nothing more; UNKNOWN is a lost connection."""


class LentDjango:
    """A database of Django's that the caller named."""

    __slots__ = ("_given",)

    def __init__(self, given: Given) -> None:
        """Keep it; `run` finds its connection in the thread that calls."""
        self._given = given

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the block that is open; ConnectionMisused if none is."""
        django = self._database()
        refuse_event_loop()
        check_block(django)
        raw = django.connection
        if not isinstance(raw, psycopg.Connection):
            raise wrong_database(django)
        try:
            return LentConnection(raw).run(make_plan)
        except MainstemError as error:
            if raw.pgconn.transaction_status in GIVEN_UP:
                django.needs_rollback = True
                django.rollback_exc = error
            raise

    def _database(self) -> Any:
        """Django's wrapper of the connection, which is one for each thread."""
        if not isinstance(self._given, str):
            return self._given
        try:
            return connections[self._given]
        except (ConnectionDoesNotExist, ImproperlyConfigured) as error:
            # What was given is not shown: an address with a password would end here too.
            raise ConnectionMisused(
                "within= got a str that is no alias of Django's DATABASES",
                hint="use within='default' or another alias of the settings",
            ) from error


def refuse_event_loop() -> None:
    """ConnectionMisused on a thread that runs an event loop: Django's transactions are not there.

    As Django's own connections refuse it, and by its variable DJANGO_ALLOW_ASYNC_UNSAFE allow it,
    for notebooks.
    """
    if os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConnectionMisused(
        "a transaction of Django's belongs to a thread, and this one runs an event loop",
        hint="put the block of transaction.atomic() into a function, and call it by sync_to_async",
    )


def check_block(django: Any) -> None:
    """Raise ConnectionMisused unless a block of `transaction.atomic()` is open and sound."""
    try:
        django.validate_thread_sharing()
        if not django.in_atomic_block:
            raise ConnectionMisused(
                "within= names a database of Django's outside of transaction.atomic()",
                hint="open a block: with transaction.atomic(): …; or save without within=",
            )
        django.validate_no_broken_transaction()
    except TransactionManagementError as error:
        raise failed_transaction() from error
    except DatabaseError as error:
        raise ConnectionMisused(
            "Django's connection belongs to another thread", hint="give the alias instead"
        ) from error


def wrong_database(django: Any) -> ConnectionMisused:
    """The error for a database that is not PostgreSQL by psycopg 3."""
    if django.connection is None:
        return ConnectionMisused("Django has closed the connection inside the block")
    kind = type(django.connection)
    return ConnectionMisused(
        f"Django works on {kind.__module__.partition('.')[0]} here ({django.vendor})",
        hint="use django.db.backends.postgresql with psycopg 3: pip install 'mainstem[django]'",
    )
