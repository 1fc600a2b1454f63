"""What `within=` takes: the caller's object is told by its class, and its adapter loaded then.

No package is imported to find out: an object of a class that is not loaded cannot be given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from mainstem.errors import ConnectionMisused
from mainstem.postgres.drivers.loop import AsyncLent, Lent

if TYPE_CHECKING:
    import asyncpg
    import psycopg
    import sqlalchemy
    from asyncpg.pool import PoolConnectionProxy
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.utils.connection import ConnectionProxy
    from sqlalchemy import orm
    from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

    # One text each: pyright reads no alias that is made of several.
Within: TypeAlias = """
    psycopg.Connection[Any] | sqlalchemy.Connection | orm.Session | orm.scoped_session[Any]
    | BaseDatabaseWrapper | ConnectionProxy[BaseDatabaseWrapper] | str
"""
"""What a PostgresEventStore saves within; a str is an alias of Django's."""

AsyncWithin: TypeAlias = """
    psycopg.AsyncConnection[Any] | asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    | sqlalchemy_asyncio.AsyncConnection | sqlalchemy_asyncio.AsyncSession
    | sqlalchemy_asyncio.async_scoped_session[Any]
"""
"""What an AsyncPostgresEventStore saves within."""

KINDS_MAX: Final = 256
"""Classes whose adapter is remembered."""


class Kind(NamedTuple):
    """A class that `within=` takes, and the adapter that works with it."""

    package: str
    """Where its users import it from: if that is not loaded, nobody has one."""
    name: str
    file: str
    adapter: str


KINDS: Final = (
    Kind("psycopg", "Connection", "psycopg", "LentConnection"),
    Kind("sqlalchemy.orm", "Session", "sqlalchemy", "LentAlchemy"),
    Kind("sqlalchemy.orm", "scoped_session", "sqlalchemy", "LentAlchemy"),
    Kind("sqlalchemy", "Connection", "sqlalchemy", "LentAlchemy"),
    Kind("django.db.backends.base.base", "BaseDatabaseWrapper", "django", "LentDjango"),
    Kind("django.utils.connection", "ConnectionProxy", "django", "LentDjango"),
)

ASYNC_KINDS: Final = (
    Kind("psycopg", "AsyncConnection", "psycopg", "AsyncLentConnection"),
    Kind("asyncpg", "Connection", "asyncpg", "AsyncLentConnection"),
    Kind("asyncpg.pool", "PoolConnectionProxy", "asyncpg", "AsyncLentConnection"),
    Kind("sqlalchemy.ext.asyncio", "AsyncSession", "sqlalchemy", "AsyncLentAlchemy"),
    Kind("sqlalchemy.ext.asyncio", "async_scoped_session", "sqlalchemy", "AsyncLentAlchemy"),
    Kind("sqlalchemy.ext.asyncio", "AsyncConnection", "sqlalchemy", "AsyncLentAlchemy"),
)

ALIAS: Final = Kind("django.db", "alias", "django", "LentDjango")
"""A str, which only Django gives a meaning to."""


def lend(within: Within) -> Lent:
    """What runs plans within this, for threads; ConnectionMisused if nothing can."""
    kind: type = type(within)
    lent: Lent = adapter(kind)(within)
    return lent


def lend_async(within: AsyncWithin) -> AsyncLent:
    """What runs plans within this, for asyncio; ConnectionMisused if nothing can."""
    kind: type = type(within)
    lent: AsyncLent = async_adapter(kind)(within)
    return lent


@lru_cache(KINDS_MAX)
def adapter(kind: type) -> Callable[[Any], Any]:
    """The adapter for objects of this class in the synchronous face."""
    if issubclass(kind, str) and ALIAS.package in sys.modules:
        return loaded(ALIAS)
    for known in KINDS:
        if issubclass(kind, class_of(known)):
            return loaded(known)
    raise refused("PostgresEventStore", kind, KINDS, "Django's alias")


@lru_cache(KINDS_MAX)
def async_adapter(kind: type) -> Callable[[Any], Any]:
    """The adapter for objects of this class in the asynchronous face."""
    for known in ASYNC_KINDS:
        if issubclass(kind, class_of(known)):
            return loaded(known)
    raise refused("AsyncPostgresEventStore", kind, ASYNC_KINDS)


def class_of(kind: Kind) -> type | tuple[()]:
    """The class itself, or none while its package is not loaded; for issubclass."""
    package = sys.modules.get(kind.package)
    found: type | tuple[()] = getattr(package, kind.name, ())
    return found


def loaded(kind: Kind) -> Callable[[Any], Any]:
    """The adapter, from its file."""
    file = import_module(f"mainstem.postgres.drivers.{kind.file}")
    found: Callable[[Any], Any] = getattr(file, kind.adapter)
    return found


def refused(store: str, given: type, kinds: tuple[Kind, ...], *more: str) -> ConnectionMisused:
    """The error for an object that the store cannot save within."""
    taken = [f"{kind.package.partition('.')[0]}.{kind.name}" for kind in kinds]
    package = given.__module__.partition(".")[0]
    return ConnectionMisused(
        f"within= cannot be a {given.__qualname__} of {package} for a {store}",
        hint=f"it takes {', '.join((*taken, *more))};"
        " Django's transactions and plain connections are for PostgresEventStore,"
        " those of asyncio for AsyncPostgresEventStore",
    )
