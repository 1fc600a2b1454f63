"""Roles: who may do what with events, as a script; pure.

owner (owns all, logs in nowhere), writer (saves and reads events), reader (reads them), replicator
(carries them to Kafka), projector (keeps read models in a schema of its own).
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

from mainstem.postgres import naming
from mainstem.postgres.migration import statements
from mainstem.postgres.migration.files import split
from mainstem.postgres.options import DEFAULT_PUBLICATION

ROLES: Final = ("owner", "writer", "reader", "replicator", "projector")
PREFIX_DEFAULT: Final = "mainstem"


def roles_script(
    prefix: str = PREFIX_DEFAULT, *, publication: str = DEFAULT_PUBLICATION
) -> list[str]:
    """Make the roles `<prefix>_owner` and so on, with their privileges on what is there and later.

    It needs the objects of `mainstem init`. InvalidName for a prefix that no role can have.
    """
    names = {role: role_name(prefix, role) for role in ROLES}
    names["publication"] = naming.checked(publication, "publication")
    text = files(__package__).joinpath("sql", "roles.sql").read_text("utf-8")
    filled = re.sub(r"@(\w+)@", lambda found: names[found[1]], text)
    lock = statements.MIGRATION_LOCK.sql
    return [lock, *(statement.sql for statement in split(filled))]


def role_name(prefix: str, role: str) -> str:
    """`mainstem_writer`: the name of one of the ROLES, which needs no quotes."""
    return naming.checked(f"{naming.checked(prefix, 'role')}_{role}", "role")
