"""Every caller in turn, on every server in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from tests.postgres.faces.alchemy import (
    Alchemy,
    AlchemyAsyncpg,
    AlchemyAsyncpgConnection,
    AlchemyConnection,
    AsyncAlchemy,
    AsyncAlchemyConnection,
)
from tests.postgres.faces.callers import (
    Address,
    Asyncpg,
    AsyncpgPool,
    AsyncPsycopg,
    Caller,
    Psycopg,
    Stores,
)
from tests.postgres.faces.djangos import Atomic, AtomicByLoop

CALLERS: tuple[type[Caller], ...] = (
    Psycopg,
    AsyncPsycopg,
    Asyncpg,
    AsyncpgPool,
    Alchemy,
    AlchemyConnection,
    AsyncAlchemy,
    AsyncAlchemyConnection,
    AlchemyAsyncpg,
    AlchemyAsyncpgConnection,
    Atomic,
    AtomicByLoop,
)


@pytest.fixture
def stores(sync_store: PostgresEventStore, async_store: AsyncPostgresEventStore) -> Stores:
    """Both faces of the store, on the database of the test."""
    return Stores(sync_store, async_store)


@pytest.fixture
def address(store_database: str) -> Address:
    """The database of the test."""
    return Address.of(store_database)


@pytest.fixture(params=CALLERS, ids=lambda kind: kind.__name__)
async def caller(
    request: pytest.FixtureRequest, stores: Stores, address: Address
) -> AsyncIterator[Caller]:
    """Each kind of caller, connected."""
    kind: type[Caller] = request.param
    async with kind(stores, address) as caller:
        yield caller
