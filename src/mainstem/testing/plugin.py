"""pytest plugin: a real PostgreSQL and Kafka, once per session, and stores, for anybody's tests.

Loaded by pytest wherever Mainstem is installed, so importing it costs nothing and needs no extra:
what a fixture needs is imported by the fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainstem.errors import MissingExtra

if TYPE_CHECKING:
    from mainstem.postgres import PostgresEventStore
    from mainstem.stack.stack import Stack
    from mainstem.testing.databases import Databases, Topics
    from mainstem.testing.projections import CaughtUp, Projections

NO_KAFKA = "not-needed:9092"
VARIABLES = ("DATABASE_URL", "KAFKA_BOOTSTRAP")


def pytest_configure(config: pytest.Config) -> None:
    """Add the asynchronous fixtures, where there is what runs them."""
    if config.pluginmanager.hasplugin("asyncio"):
        from mainstem.testing import async_fixtures  # noqa: PLC0415 - as the module says

        config.pluginmanager.register(async_fixtures, "mainstem-asyncio")


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
    with started(tmp_path_factory.mktemp("mainstem")) as stack:
        yield stack


@pytest.fixture(scope="session")
def mainstem_postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of PostgreSQL for this session.

    It is that of DATABASE_URL, else that of `mainstem_stack` if a test of the session uses that,
    else that of a server of its own, and no Kafka is started.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
    elif any("mainstem_stack" in names(item) for item in request.session.items):
        yield str(request.getfixturevalue("mainstem_stack").state.database_url)
    else:
        with started(tmp_path_factory.mktemp("mainstem"), kafka=NO_KAFKA) as stack:
            yield str(stack.state.database_url)


@pytest.fixture(scope="session")
def mainstem_databases(mainstem_postgres: str) -> Iterator[Databases]:
    """The throw-away databases of the session, by `with mainstem_databases.one(topics) as dsn:`."""
    from mainstem.testing.databases import Databases  # noqa: PLC0415 - as the module says

    databases = Databases(mainstem_postgres)
    yield databases
    databases.close()


@pytest.fixture
def event_topics() -> Topics:
    """Topics of the test's database, names or a mapping to TopicOptions: to be overridden."""
    return ()


@pytest.fixture
def event_types() -> tuple[type, ...]:
    """Classes that payloads come back as from `event_store`: to be overridden."""
    return ()


@pytest.fixture
def mainstem_database(mainstem_databases: Databases, event_topics: Topics) -> Iterator[str]:
    """Address of a database of the test's own, with `event_topics` and without an event."""
    with mainstem_databases.one(event_topics) as address:
        yield address


@pytest.fixture
def event_store(
    mainstem_database: str, event_types: tuple[type, ...]
) -> Iterator[PostgresEventStore]:
    """A store on the test's own database; what the test saves goes with it."""
    from mainstem.postgres import PostgresEventStore  # noqa: PLC0415 - as the module says

    with PostgresEventStore.open(mainstem_database, types=event_types) as store:
        yield store


@pytest.fixture
def event_projections() -> Projections:
    """Projections that run beside a test with `caught_up`: to be overridden."""
    return ()


@pytest.fixture
def caught_up(
    mainstem_stack: Stack, mainstem_database: str, event_projections: Projections
) -> Iterator[CaughtUp]:
    """Call it to have everything that was saved in `mainstem_database` in `event_projections`.

    Replicator and projectors run beside the test, on Kafka topics that end with it.
    """
    from mainstem.kafka import KafkaSettings  # noqa: PLC0415 - as the module says
    from mainstem.testing.projections import CaughtUp  # noqa: PLC0415 - as the module says

    kafka = KafkaSettings(str(mainstem_stack.state.kafka_bootstrap))
    with CaughtUp(mainstem_database, kafka, event_projections).running() as caught_up:
        yield caught_up


@contextmanager
def started(folder: Path, *, kafka: str | None = None) -> Iterator[Stack]:
    """Servers of a folder for the block, however that ends, but for those that are given."""
    from mainstem.stack.guard import guarded  # noqa: PLC0415 - as the module says
    from mainstem.stack.stack import Stack, StackSettings  # noqa: PLC0415 - as the module says

    settings = StackSettings.of_environment(fsync=False)
    settings = replace(settings, kafka_bootstrap=kafka or settings.kafka_bootstrap)
    stack = Stack(folder / ".mainstem", settings=settings)
    with guarded(stack.directory):
        try:
            stack.up()
            yield stack
        finally:
            stack.down(wipe=True)


def names(item: pytest.Item) -> list[str]:
    """The fixtures that a test uses."""
    return list(getattr(item, "fixturenames", ()))
