"""`mainstem migrate`: bring the schema objects to this version, or tell what that would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.main import EXIT_DIFFERENCE
from mainstem.cli.options import database_option, json_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.cli.scripts import Administration, show, sql_option
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.files import Migration
from mainstem.postgres.migration.migrating import applying, pending
from mainstem.postgres.migration.script import migration_script

if TYPE_CHECKING:
    import psycopg


@click.command(cls=Administration)
@click.option("--plan", is_flag=True, help="Only tell what would be done.")
@click.option("--check", is_flag=True, help="As --plan, and exit 1 if anything is to be done.")
@click.option("--pre", is_flag=True, help="Only what goes before new code runs.")
@click.option("--post", is_flag=True, help="Only what waits for old code to end.")
@sql_option
@database_option
@json_option
@click.pass_context
def migrate(
    context: click.Context,
    *,
    plan: bool,
    check: bool,
    pre: bool,
    post: bool,
    as_sql: bool,
    database_url: str,
    as_json: bool,
) -> None:
    """Apply the migrations that the database lacks, each in a transaction of its own.

    Run it after an upgrade of Mainstem, before the new code starts; where a release has `post`
    migrations, run --pre before and --post after the last old process ended. No store and no
    replicator migrates when it starts. On a new database it does the same as mainstem init.
    """
    if pre and post:
        raise click.UsageError("--pre and --post exclude each other; without them it is both")
    phases = {"pre"} if pre else {"post"} if post else {"pre", "post"}
    with connect(database_url) as connection:
        lacking = run(connection, pending())
        chosen = [migration for migration in lacking if migration.phase in phases]
        if as_sql:
            show_pending(chosen)
        elif plan or check:
            tell("pending", [migration.name for migration in chosen], as_json=as_json)
        else:
            tell("applied", apply(connection, chosen), as_json=as_json)
    if check and chosen:
        context.exit(EXIT_DIFFERENCE)


def apply(connection: psycopg.Connection[Any], chosen: Iterable[Migration]) -> list[str]:
    """Apply them one by one; the names of those that no other process applied meanwhile."""
    return [
        migration.name for migration in chosen if run_atomically(connection, applying(migration))
    ]


def show_pending(chosen: list[Migration]) -> None:
    """Print the script of these migrations; an empty one is no script."""
    if chosen:
        show(migration_script(chosen))
    else:
        narrate("nothing to do")


def tell(verb: str, names: list[str], *, as_json: bool) -> None:
    """Print one line for each, or that there is none."""
    if as_json:
        data_json({verb: names})
    else:
        data("\n".join(f"{verb} {name}" for name in names) or "nothing to do")
