"""pytest plugin: a real PostgreSQL and Kafka, once per session, for any project's tests.

Loaded by pytest wherever Mainstem is installed, so importing it costs nothing and needs no extra:
what starts servers is imported by the fixture that needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from mainstem.errors import MissingExtra

if TYPE_CHECKING:
    from mainstem.stack.stack import Stack

VARIABLES = ("DATABASE_URL", "KAFKA_BOOTSTRAP")


def pytest_report_header() -> str:
    """Which servers the tests will meet, as far as that is known before they start."""
    given = [name for name in VARIABLES if os.environ.get(name)]
    own = [name for name in VARIABLES if name not in given]
    return "mainstem: " + "; ".join([f"{name} is given" for name in given] + versions(own))


def versions(variables: list[str]) -> list[str]:
    """Name and version of each server that the session would start itself."""
    try:
        from mainstem.stack import kafka, postgresql  # noqa: PLC0415 - as the module says

        titles = {"DATABASE_URL": postgresql.title, "KAFKA_BOOTSTRAP": kafka.title}
        return [titles[name]() for name in variables]
    except (ImportError, MissingExtra):
        return []


@pytest.fixture(scope="session")
def mainstem_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL and Kafka for this session, or those of DATABASE_URL and KAFKA_BOOTSTRAP.

    Their addresses are in `mainstem_stack.state`. Data are not synced to disk: a killed server
    loses nothing, a machine without power would. It ends with the session, however that ends.
    """
    from mainstem.stack.guard import guarded  # noqa: PLC0415 - as above
    from mainstem.stack.stack import Stack, StackSettings  # noqa: PLC0415 - as the module says

    settings = StackSettings.of_environment(fsync=False)
    stack = Stack(tmp_path_factory.mktemp("mainstem") / ".mainstem", settings=settings)
    with guarded(stack.directory):
        try:
            stack.up()
            yield stack
        finally:
            stack.down(wipe=True)
