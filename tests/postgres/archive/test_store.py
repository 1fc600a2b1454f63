"""A store that knows the archive reads archived months as if they were still in their tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest

from mainstem.errors import ConfigurationError
from mainstem.event import Event
from mainstem.postgres import (
    AsyncPostgresEventStore,
    PostgresEventStore,
    TopicOptions,
    create_topic,
)
from mainstem.postgres.archive.archiving import ArchiveSettings, archive_month
from mainstem.postgres.migration.months import Month
from mainstem.terms import EventQuery
from tests.postgres.payloads import Noted

LAST_MONTH = Month.of(datetime.now(UTC)).later(-1)
START = datetime(LAST_MONTH.year, LAST_MONTH.number, 1, tzinfo=UTC)


@pytest.fixture
def partitioned(fresh_database: str, topic: str) -> str:
    """A topic by months whose last month holds every second event."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        create_topic(connection, topic, TopicOptions(partition_by="month"))
        with PostgresEventStore.open(fresh_database, types=[Noted]) as store:
            for n in range(2500):
                moment = START + timedelta(minutes=n) if n % 2 else datetime.now(UTC)
                store.save(topic, Event(uuid4(), Noted(text="a", count=n), moment))
    return topic


async def test_an_archived_month_is_read_with_the_rest(
    fresh_database: str, partitioned: str, tmp_path: Path
) -> None:
    """Aim: `read_all` and `read_rows`, both faces, before and after. Method: archive in between."""
    with PostgresEventStore.open(fresh_database, types=[Noted]) as store:
        before, rows = list(store.read_all(partitioned)), list(store.read_rows(partitioned))
    settings = ArchiveSettings(folder=tmp_path, replicated=True)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        archive_month(connection, partitioned, LAST_MONTH, settings)
    with PostgresEventStore.open(fresh_database, types=[Noted], archive=tmp_path) as store:
        after = list(store.read_all(partitioned))
        some = list(store.read_all(partitioned, after=before[99].id, limit=1300))
        merged = list(store.read_all("*_events"))
        rows_after = list(store.read_rows(partitioned))
    async with AsyncPostgresEventStore.open(
        fresh_database, types=[Noted], archive=tmp_path
    ) as async_store:
        awaited = [event async for event in async_store.read_all(partitioned)]
    with PostgresEventStore.open(fresh_database, types=[Noted]) as store:
        left = list(store.read_all(partitioned))

    assert [event.payload.count for event in before] == [*range(2500)]
    assert after == awaited == before
    assert some == before[100:1400]
    assert sorted(merged, key=lambda event: event.id) == before
    assert rows_after == rows
    assert left == before[::2]


async def test_what_does_not_reach_the_archive_refuses_its_topics(
    fresh_database: str, partitioned: str, tmp_path: Path
) -> None:
    """Aim: no silent gap. Method: each way of reading that knows the table only."""
    settings = ArchiveSettings(folder=tmp_path, replicated=True)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        archive_month(connection, partitioned, LAST_MONTH, settings)
    key = uuid4()
    with PostgresEventStore.open(fresh_database, types=[Noted], archive=tmp_path) as store:
        ways: list[Callable[[], object]] = [
            lambda: list(store.read(partitioned, key=key)),
            lambda: store.load(partitioned, key, lambda count, _: count + 1, 0),
            lambda: store.query(partitioned, EventQuery()),
            lambda: store.follow(partitioned, after=0),
        ]
        for way in ways:
            with pytest.raises(ConfigurationError, match="archive"):
                way()
        rows = pa.table(store.read_arrow(partitioned)).num_rows

    assert rows == 2500
