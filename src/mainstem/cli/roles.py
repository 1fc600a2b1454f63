"""`mainstem roles`: database roles of least privilege."""

from __future__ import annotations

import click

from mainstem.cli.output import data
from mainstem.cli.scripts import (
    Administration,
    needed,
    optional_database_option,
    show,
    sql_option,
)
from mainstem.errors import ConfigurationError
from mainstem.postgres.drivers.psycopg import run, run_atomically
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.migrating import pending, running
from mainstem.postgres.migration.roles import PREFIX_DEFAULT, ROLES, role_name, roles_script
from mainstem.postgres.options import DEFAULT_PUBLICATION


@click.command(cls=Administration)
@click.option("--prefix", default=PREFIX_DEFAULT, help="Roles are named PREFIX_writer and so on.")
@click.option("--publication", default=DEFAULT_PUBLICATION, help="What the replicator reads.")
@sql_option
@optional_database_option
def roles(*, prefix: str, publication: str, as_sql: bool, database_url: str | None) -> None:
    """Create roles of least privilege, and let the owner own events, registry and publication.

    owner: owns all, and logs in nowhere; create topics as it (SET ROLE, or
    options=-c role=PREFIX_owner in the address), so that the others may use them. writer: saves
    and reads events. reader: reads them. replicator: logs in, and carries them to Kafka.
    projector: has the schema `projections`. Grant writer, reader and projector to the roles that
    your applications log in with. Needs a superuser, after mainstem init and before a replicator
    first starts; may be repeated.
    """
    script = roles_script(prefix, publication=publication)
    if as_sql:
        show(script)
        return
    with connect(needed(database_url)) as connection:
        if run(connection, pending()):
            raise ConfigurationError(
                "the database lacks schema objects that roles are about", hint="mainstem init"
            )
        run_atomically(connection, running(script))
    data("\n".join(role_name(prefix, role) for role in ROLES))
