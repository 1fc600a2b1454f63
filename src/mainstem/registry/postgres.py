"""The default registry: schemas in tables of the same PostgreSQL as the events.

The tables are those of kagetech/schema-registry with a few more columns; its table `references`
comes when schemas can refer to each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo

from mainstem.errors import (
    ConfigurationError,
    MainstemError,
    RegistryRejected,
    SchemaNotFound,
    ServerUnavailable,
)
from mainstem.registry import statements
from mainstem.registry.canonical import fingerprint
from mainstem.registry.registry import RegisteredSchema

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

ATTEMPTS_MAX = 2
"""A connection lost while idle is noticed at the first try; the second is on a new one."""


class PostgresRegistry:
    """Keeps schemas in the database, on a connection of its own.

    A registration is committed when `register` returns: an id that went into an event never
    disappears with the caller's transaction. Tables are created at the first use, if need be.
    """

    def __init__(self, dsn: str, *, timeout_s: float = 10.0) -> None:
        """Connect later, at the first call; `timeout_s` bounds connecting and each statement."""
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def register(self, subject: str, schema_text: str) -> int:
        """As Registry.register."""
        key = fingerprint(schema_text)

        def registered(connection: Connection) -> int:
            schema_id = one(connection, statements.LOOKUP, subject, key)
            if schema_id is None:
                schema_id = self._insert(connection, subject, schema_text)
            return int(schema_id)

        return self._run(registered)

    def by_id(self, schema_id: int) -> str:
        """As Registry.by_id."""
        text = self._run(lambda connection: one(connection, statements.BY_ID, schema_id))
        if text is None:
            raise SchemaNotFound(f"the database has no schema with the id {schema_id}")
        return str(text)

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """As Registry.lookup."""
        key = fingerprint(schema_text)
        found: int | None = self._run(
            lambda connection: one(connection, statements.LOOKUP, subject, key)
        )
        return found

    def latest(self, subject: str) -> RegisteredSchema | None:
        """As Registry.latest."""

        def newest(connection: Connection) -> RegisteredSchema | None:
            row = connection.execute(statements.LATEST, (subject,)).fetchone()
            return RegisteredSchema(subject, *row) if row else None

        return self._run(newest)

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        with self._lock:
            self._disconnect()

    def _insert(self, connection: Connection, subject: str, schema_text: str) -> int:
        """Add a version, and the schema itself where no subject has it yet."""
        key = fingerprint(schema_text)
        with connection.transaction():
            connection.execute(statements.REGISTRATION_LOCK)
            # Somebody may have registered it while we waited; ON CONFLICT would burn an id.
            known = one(connection, statements.LOOKUP, subject, key)
            if known is not None:
                return int(known)
            schema_id = one(connection, statements.SCHEMA_ID, key)
            if schema_id is None:
                schema_id = one(connection, statements.INSERT_SCHEMA, schema_text, key)
            connection.execute(statements.INSERT_VERSION, (subject, schema_id, subject))
        assert schema_id is not None
        return int(schema_id)

    def _run(self, task: Callable[[Connection], T]) -> T:
        """Run the task; once more on a new connection where the old one turns out to be lost.

        Every task is safe to repeat: a registration that was committed is found the second time.
        """
        with self._lock:
            for attempt in range(1, ATTEMPTS_MAX + 1):
                try:
                    return task(self._connected())
                except psycopg.OperationalError as error:
                    self._disconnect()
                    if attempt == ATTEMPTS_MAX:
                        said = first_line(error)
                        raise ServerUnavailable(
                            f"the schema registry in PostgreSQL cannot be reached: {said}"
                        ) from error
                except (psycopg.Error, UnicodeEncodeError) as error:
                    self._disconnect()
                    raise refused(error) from error
        raise AssertionError("the loop returns or raises")

    def _connected(self) -> Connection:
        """The connection, opened and with its tables where there is none."""
        if self._connection is None or self._connection.closed:
            self._connection = opened(self._dsn, self._timeout_s)
        return self._connection

    def _disconnect(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def opened(dsn: str, timeout_s: float) -> Connection:
    """A connection whose database has the tables; closed again where that fails."""
    try:
        conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # Not chained: libpq quotes what it could not read, which may be the password.
        raise ConfigurationError("the address of the registry's database is no DSN") from None
    connection = psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=max(2, int(timeout_s)),
        application_name="mainstem",
    )
    try:
        # Under a stricter level, which may be the database's default, a registration that waited
        # for the lock would not see what was registered meanwhile.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.execute(statements.TIMEOUT, (str(max(1, int(timeout_s * 1000))),))
        create_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def create_tables(connection: Connection) -> None:
    """Create what is missing; a role that may not create is fine once the tables exist."""
    if one(connection, statements.EXISTS):
        return
    with connection.transaction():
        connection.execute(statements.CREATION_LOCK)
        connection.execute(statements.CREATE)


def one(connection: Connection, statement: str, *parameters: object) -> Any:
    """The first value of the first row, or None where there is no row."""
    row = connection.execute(statement, parameters or None).fetchone()
    return row[0] if row else None


def refused(error: psycopg.Error | UnicodeEncodeError) -> MainstemError:
    """Our error for one that no other connection would change."""
    if isinstance(error, (psycopg.DataError, UnicodeEncodeError)):
        return RegistryRejected("PostgreSQL cannot keep the letters of this subject or schema")
    kind = ConfigurationError if isinstance(error, psycopg.ProgrammingError) else ServerUnavailable
    return kind(
        f"the schema registry in PostgreSQL failed: {first_line(error)}",
        hint="check that the role may use the schema `schemas` and that its tables are ours;"
        " the owner makes them with mainstem init",
    )


def first_line(error: psycopg.Error) -> str:
    """What happened, without the details that follow."""
    return next(iter(str(error).splitlines()), type(error).__name__)
