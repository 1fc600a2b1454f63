"""`--sql`: print what would be run, for a person who runs it; then no database is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from mainstem.cli.options import address, demanded
from mainstem.cli.output import data
from mainstem.postgres.migration.script import printed

F = TypeVar("F", bound=Callable[..., Any])


def sql_option(function: F) -> F:
    """`--sql`: a command parameter `as_sql: bool`."""
    return click.option("--sql", "as_sql", is_flag=True, help="Print the SQL, and run nothing.")(
        function
    )


def optional_database_option(function: F) -> F:
    """`--database-url` of a command that may do without: `database_url: str | None`."""
    purpose = "Address of PostgreSQL: postgresql://…; --sql needs none."
    return address("--database-url", purpose, required=False)(function)


def needed(database_url: str | None) -> str:
    """The address; ConfigurationError where no place holds one, as for any command."""
    context = click.get_current_context()
    parameter = next(each for each in context.command.params if each.name == "database_url")
    return demanded(context, parameter, database_url) or ""


def show(script: Iterable[str]) -> None:
    """Print a script for psql."""
    data(printed(script))
