"""`mainstem init`: the schema objects that all topics share."""

from __future__ import annotations

import click

from mainstem.cli.migrate import apply, tell
from mainstem.cli.options import json_option
from mainstem.cli.scripts import (
    Administration,
    needed,
    optional_database_option,
    show,
    sql_option,
)
from mainstem.postgres.drivers.psycopg import run
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.migrating import pending
from mainstem.postgres.migration.script import init_script


@click.command(cls=Administration)
@sql_option
@optional_database_option
@json_option
def init(*, as_sql: bool, database_url: str | None, as_json: bool) -> None:
    """Create the schema objects that all topics share.

    They are schemas for events and for what Mainstem itself keeps, the tables of the schema
    registry, and the function that forbids to change events. What is there already is taken over
    as it is, and doing it twice does no harm. `mainstem topic create` alone works too.
    """
    if as_sql:
        show(init_script())
        return
    with connect(needed(database_url)) as connection:
        applied = apply(connection, run(connection, pending()))
    tell("applied", applied, as_json=as_json)
