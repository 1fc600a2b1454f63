"""Throw-away databases: one for each test, copied from a template that has the topics already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias
from uuid import uuid4

from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.migrating import applying, pending
from mainstem.postgres.migration.steps import each
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.statements import Statement
from mainstem.postgres.topics import create_topic
from mainstem.testing import statements

# Behind the driver, which tells what to install where it is missing.
from psycopg.conninfo import make_conninfo  # isort: skip

Topics: TypeAlias = Mapping[str, TopicOptions] | Iterable[str]

PREFIX = "mainstem_test_"
"""Of all names, so that what a killed session left can be told and dropped."""


class Databases:
    """The databases of one test session on one server."""

    def __init__(self, server: str) -> None:
        """Make them where this address leads; nothing is made yet."""
        self._server = server
        self._templates: dict[tuple[tuple[str, TopicOptions], ...], str] = {}

    @contextmanager
    def one(self, topics: Topics) -> Iterator[str]:
        """Address of a database with these topics and no event, for the block."""
        template = self._template(options_of(topics))
        name = new_name()
        self._run(statements.copy_database(name, template))
        try:
            yield self._address(name)
        finally:
            self._drop(name)

    def close(self) -> None:
        """Drop the templates."""
        while self._templates:
            _, name = self._templates.popitem()
            self._drop(name)

    def _template(self, topics: Mapping[str, TopicOptions]) -> str:
        """The database that is copied for tests with these topics."""
        made = tuple(sorted(topics.items(), key=lambda topic: topic[0]))
        if made not in self._templates:
            name = new_name()
            self._run(statements.create_database(name))
            self._templates[made] = name
            furnish(self._address(name), topics)
        return self._templates[made]

    def _drop(self, name: str) -> None:
        """Drop a database with all that holds on to it."""
        self._run(
            statements.terminate_sessions(name),
            statements.drop_slots(name),
            statements.drop_database(name),
        )

    def _run(self, *script: Statement) -> None:
        """Run these on a connection of their own, each as a transaction."""
        with connect(self._server) as connection:
            run(connection, each(script))

    def _address(self, name: str) -> str:
        """Where the database of this name is."""
        return make_conninfo(self._server, dbname=name)


def furnish(address: str, topics: Mapping[str, TopicOptions]) -> None:
    """Make what `mainstem init` and `mainstem topic create` make."""
    with connect(address) as connection:
        for migration in run(connection, pending()):
            run_atomically(connection, applying(migration))
        for topic, options in topics.items():
            create_topic(connection, topic, options)


def options_of(topics: Topics) -> Mapping[str, TopicOptions]:
    """The options of each topic; those without any have the usual ones."""
    return topics if isinstance(topics, Mapping) else dict.fromkeys(topics, TopicOptions())


def new_name() -> str:
    """A name that no other session has."""
    return f"{PREFIX}{uuid4().hex[:16]}"
