"""asyncpg: connections that callers set up in their own way, and how they fail."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import psycopg
import pytest

from mainstem.errors import ConnectionMisused, TransactionFailed
from tests.postgres.conftest import count
from tests.postgres.faces.callers import Address, Stores
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]


class ByName(asyncpg.Record):
    """A record of a caller's that knows names only."""

    def __getitem__(self, name: Any) -> Any:
        """A column by its name; nothing else."""
        assert isinstance(name, str)
        return super().__getitem__(name)


async def test_a_record_class_of_the_caller_does_not_matter(
    stores: Stores, address: Address, new_topic: str
) -> None:
    """Aim: our answers are ours. Method: a class whose indexes fail, also for the look-up."""
    connection = await asyncpg.connect(**address.for_asyncpg, record_class=ByName)
    async with connection.transaction():
        stored = await stores.asynchronous.save(new_topic, noted(), within=connection)
    await connection.close()

    assert stored.id == 1


async def test_a_time_limit_of_the_connection_is_a_failed_transaction(
    stores: Stores, address: Address, new_topic: str, observer: Connection
) -> None:
    """Aim: it is no lost server. Method: lock the table, save with a limit of 0.2 s."""
    connection = await asyncpg.connect(**address.for_asyncpg, command_timeout=0.2)
    transaction = connection.transaction()
    await transaction.start()
    with observer.transaction():
        observer.execute(f"LOCK TABLE events.{new_topic}")
        with pytest.raises(TransactionFailed, match="command_timeout"):
            await stores.asynchronous.save(new_topic, noted(), within=connection)
    await transaction.rollback()
    await connection.close()

    assert count(observer, new_topic) == 0


async def test_two_tasks_on_one_connection_are_told(
    stores: Stores, address: Address, new_topic: str
) -> None:
    """Aim: a mistake that asyncpg refuses. Method: two saves at once within one transaction."""
    connection = await asyncpg.connect(**address.for_asyncpg)
    async with connection.transaction():
        await stores.asynchronous.save(new_topic, noted(), within=connection)
        outcomes = await asyncio.gather(
            *(stores.asynchronous.save(new_topic, noted(), within=connection) for _ in range(2)),
            return_exceptions=True,
        )
    await connection.close()
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConnectionMisused)]

    assert len(refused) == 1
    assert "one task at a time" in refused[0].hint


async def test_a_transaction_begun_by_hand_is_one(
    stores: Stores, address: Address, new_topic: str, observer: Connection
) -> None:
    """Aim: BEGIN by SQL. Method: execute it, save, execute COMMIT."""
    connection = await asyncpg.connect(**address.for_asyncpg)
    await connection.execute("BEGIN")
    await stores.asynchronous.save(new_topic, noted(), within=connection)
    await connection.execute("COMMIT")
    await connection.close()

    assert count(observer, new_topic) == 1
