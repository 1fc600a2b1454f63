"""What `within=` takes is told by its class, and nothing is loaded to find out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mainstem.errors import ConnectionMisused
from mainstem.postgres.drivers.lending import ASYNC_KINDS, KINDS, Kind, lend, lend_async
from tests.postgres.faces.callers import Caller

PROGRAM = """
import sys
from mainstem.errors import ConnectionMisused
from mainstem.postgres.drivers.lending import lend, lend_async
for given in ("default", object()):
    for lending in (lend, lend_async):
        try:
            lending(given)
        except ConnectionMisused as error:
            print(error.message)
print(sorted({"sqlalchemy", "asyncpg", "django"} & set(sys.modules)))
"""


def test_no_package_is_loaded_to_find_out() -> None:
    """Aim: users pay for what they use. Method: a fresh process, refused by each face."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()

    assert lines[0] == "within= cannot be a str of builtins for a PostgresEventStore"
    assert lines[3] == "within= cannot be a object of builtins for a AsyncPostgresEventStore"
    assert lines[-1] == "[]"


@pytest.mark.parametrize(
    "kind", KINDS + ASYNC_KINDS, ids=lambda kind: f"{kind.package}.{kind.name}"
)
def test_every_kind_is_where_it_is_looked_for(kind: Kind) -> None:
    """Aim: no name in the table is stale. Method: import each package, find each class."""
    __import__(kind.package)
    package = sys.modules[kind.package]

    assert isinstance(getattr(package, kind.name), type)


async def test_each_face_refuses_what_is_the_others(caller: Caller) -> None:
    """Aim: a clear error that names the right face. Method: lend each to the wrong one."""
    lending: Any = lend if caller.loops else lend_async
    with pytest.raises(ConnectionMisused, match="within= cannot be") as caught:
        lending(caller.within)

    assert "for PostgresEventStore" in caught.value.hint
