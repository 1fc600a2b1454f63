"""PgBouncer in transaction mode: each transaction may meet another backend, and nothing breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.errors import ConnectionMisused
from mainstem.postgres.store import AsyncPostgresEventStore, PostgresEventStore
from mainstem.registry.memory import MemoryRegistry
from tests.postgres import pooler
from tests.postgres.conftest import count
from tests.postgres.faces.callers import Address, Caller, Psycopg, Stores
from tests.postgres.faces.conftest import CALLERS
from tests.postgres.faces.djangos import AtomicByLoop
from tests.postgres.payloads import noted

CLIENTS = 6
ROUNDS = 4

# sync_to_async has one thread for all of them: a second transaction would wait for the first.
MANY_AT_ONCE = [kind for kind in CALLERS if kind is not AtomicByLoop]


@pytest.fixture(scope="session")
def pgbouncer(database_url: str) -> Iterator[tuple[pooler.Software, str]]:
    """PgBouncer before the stack's PostgreSQL, with its address."""
    # As for PostgreSQL 15: it runs as nobody where root starts it.
    with TemporaryDirectory(prefix="mainstem-pgbouncer-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        software = pooler.found(home)
        if isinstance(software, str):
            pytest.skip(software)
        with pooler.running(software, home, database_url) as address:
            yield software, address


@pytest.fixture
def pooled(pgbouncer: tuple[pooler.Software, str], store_database: str) -> Address:
    """The test's database behind PgBouncer."""
    name = conninfo_to_dict(store_database)["dbname"]
    return Address.of(make_conninfo(pgbouncer[1], dbname=str(name)), pooled=True)


async def client(kind: type[Caller], stores: Stores, address: Address, topic: str) -> None:
    """Save within several transactions, of which one is rolled back."""
    async with kind(stores, address) as caller:
        for turn in range(ROUNDS):
            await caller.begin()
            await caller.save(topic, noted())
            await caller.save(topic, noted(1, a=b"1"))
            await caller.save_many(topic, [noted(), noted()])
            await (caller.rollback() if turn == 0 else caller.commit())


@pytest.mark.parametrize("kind", MANY_AT_ONCE, ids=lambda kind: kind.__name__)
async def test_many_clients_share_few_backends(
    kind: type[Caller],
    stores: Stores,
    pooled: Address,
    new_topic: str,
    observer: psycopg.Connection[Any],
) -> None:
    """Aim: settings as documented are enough. Method: more clients at once than backends."""
    clients = [client(kind, stores, pooled, new_topic) for _ in range(CLIENTS)]
    if kind.loops:
        await asyncio.gather(*clients)
    else:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, each) for each in clients))

    assert count(observer, new_topic) == CLIENTS * (ROUNDS - 1) * 4


async def test_saves_of_their_own_need_no_setting(
    pooled: Address, new_topic: str, observer: psycopg.Connection[Any]
) -> None:
    """Aim: the store sees the pooler by itself. Method: two stores, many saves at once."""
    async with (
        AsyncPostgresEventStore.open(pooled.dsn, registry=MemoryRegistry()) as one,
        AsyncPostgresEventStore.open(pooled.dsn, registry=MemoryRegistry()) as two,
    ):
        await asyncio.gather(*(store.save(new_topic, noted()) for store in (one, two) * 50))
    with PostgresEventStore.open(pooled.dsn, registry=MemoryRegistry()) as store:
        for _ in range(10):
            store.save(new_topic, noted())
            store.save_many(new_topic, [noted(), noted()])

    assert count(observer, new_topic) == 130


async def test_a_client_that_prepares_is_told_the_setting(
    pgbouncer: tuple[pooler.Software, str],
    stores: Stores,
    pooled: Address,
    new_topic: str,
) -> None:
    """Aim: the guard's other side. Method: two clients that prepare, one backend for both."""
    if pgbouncer[0].prepares:
        pytest.skip("this PgBouncer keeps prepared statements for its clients")
    with psycopg.connect(pooled.dsn) as holder:
        holder.execute("SELECT 1")
        async with Psycopg(stores, pooled) as one, Psycopg(stores, pooled) as two:
            one.within.prepare_threshold = two.within.prepare_threshold = 0
            await one.save(new_topic, noted())
            await one.commit()
            with pytest.raises(ConnectionMisused) as caught:
                await two.save(new_topic, noted())

    assert "prepare_threshold=None" in caught.value.hint
