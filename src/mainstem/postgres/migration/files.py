"""Migrations as files: versioned SQL beside this module, each with its checksum.

`NNNN_pre_name.sql` is applied before the code of a new version runs, and the old code can live
with it; `NNNN_post_name.sql` once no old code runs any more. Statements are separated by an empty
line after a semicolon; each leaves alone what is there already, so that a database which an
earlier version or a DBA has furnished is taken over as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from mainstem.postgres.statements import Statement

FILE_NAME: Final = re.compile(r"(\d{4}_(pre|post)_[a-z0-9_]+)\.sql")
CHECKSUM_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema objects."""

    name: str
    """`0001_pre_events`."""
    phase: str
    """`pre` or `post`."""
    sql: str

    @property
    def checksum(self) -> str:
        """Tells a file that was changed after it was applied."""
        return sha256(self.sql.encode()).hexdigest()[:CHECKSUM_LENGTH]

    @property
    def statements(self) -> list[Statement]:
        """Its statements, in order."""
        return split(self.sql)


def split(sql: str) -> list[Statement]:
    """The statements of a file: an empty line after a semicolon ends one."""
    parts = re.split(r";\n\s*(?:\n|$)", sql)
    return [Statement(part.strip(), answers=False) for part in parts if part.strip()]


@cache
def migrations() -> tuple[Migration, ...]:
    """Every migration of this version, in order."""
    found = []
    for file in files("mainstem.postgres.migration").joinpath("sql").iterdir():
        matched = FILE_NAME.fullmatch(file.name)
        if matched is not None:
            found.append(Migration(matched[1], matched[2], file.read_text("utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.name))


def migration_named(name: str) -> Migration:
    """The migration of this name."""
    return next(migration for migration in migrations() if migration.name == name)
