"""Commands that change schema objects: who may run them, and `--sql` for those who may not.

`--sql` prints what would be run, for a person who runs it; then no database is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click

from mainstem.cli.options import address, demanded
from mainstem.cli.output import data
from mainstem.errors import ConfigurationError
from mainstem.postgres.migration.script import printed

F = TypeVar("F", bound=Callable[..., Any])

INSUFFICIENT_PRIVILEGE: Final = "42501"


class Administration(click.Command):
    """A command of the owner's: if PostgreSQL forbids it, the hint says who may, and how else.

    The hint that comes with the error is about saving events.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            if getattr(error.__cause__, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
                error.hint = (
                    "this needs the owner role (SET ROLE, see mainstem roles) or a superuser"
                )
                if any(parameter.name == "as_sql" for parameter in self.params):
                    error.hint += "; or print it for a DBA: --sql"
            raise


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
