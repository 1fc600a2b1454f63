"""`mainstem migrate`: bring the schema objects to this version, or tell what that would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.main import EXIT_DIFFERENCE
from mainstem.cli.options import database_option, json_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.cli.scripts import show, sql_option
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.files import Migration
from mainstem.postgres.migration.migrating import applying, pending
from mainstem.postgres.migration.script import migration_script

if TYPE_CHECKING:
    import psycopg


@click.command()
@click.option("--plan", is_flag=True, help="Only tell what would be done.")
@click.option("--check", is_flag=True, help="As --plan, and exit 1 if anything is to be done.")
@click.option("--pre", "phase", flag_value="pre", help="Only what goes before new code runs.")
@click.option("--post", "phase", flag_value="post", help="Only what waits for old code to end.")
@sql_option
@database_option
@json_option
@click.pass_context
def migrate(
    context: click.Context,
    *,
    plan: bool,
    check: bool,
    phase: str | None,
    as_sql: bool,
    database_url: str,
    as_json: bool,
) -> None:
    """Apply the migrations that the database lacks, each in a transaction of its own.

    Nothing migrates by itself: neither a store nor the replicator does it when it starts. Run it
    before new code starts; where a release has `post` migrations, run --pre before and --post
    after the last old process ended.
    """
    with connect(database_url) as connection:
        lacking = run(connection, pending())
        chosen = [migration for migration in lacking if phase in {None, migration.phase}]
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
