"""The contract of an event store, over every store that we bring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from mainstem.postgres import (
    AsyncPostgresEventStore,
    PostgresEventStore,
    TopicOptions,
    create_topic,
)
from mainstem.registry.memory import MemoryRegistry
from mainstem.testing import AsyncInMemoryEventStore, InMemoryEventStore
from mainstem.testing.contract import PAYLOADS, EventStoreContract

SCHEMAS = MemoryRegistry()
"""One for all: a store reads the topics of the tests before it, where a pattern means them."""


class InMemory:
    """Stores in memory, whose topics are declared as they are needed."""

    @pytest.fixture
    def new_topic(self, store: Any) -> Callable[[TopicOptions], str]:
        """Make a topic of the store."""
        return partial(create, store.create_topic)


class TestInMemory(InMemory, EventStoreContract):
    """The synchronous store in memory."""

    @pytest.fixture
    def store(self) -> Iterator[InMemoryEventStore]:
        """An empty store without a topic."""
        with InMemoryEventStore(topics=()) as store:
            yield store


class TestAsyncInMemory(InMemory, EventStoreContract):
    """The asynchronous store in memory."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[AsyncInMemoryEventStore]:
        """An empty store without a topic."""
        async with AsyncInMemoryEventStore(topics=()) as store:
            yield store


@pytest.mark.stack
class InPostgres:
    """Stores in PostgreSQL."""

    @pytest.fixture
    def new_topic(self, store_database: str) -> Iterator[Callable[[TopicOptions], str]]:
        """Make a topic in the database of these tests."""
        with psycopg.connect(store_database, autocommit=True) as connection:
            yield partial(create, partial(create_topic, connection))


class TestPostgres(InPostgres, EventStoreContract):
    """The synchronous store in PostgreSQL."""

    @pytest.fixture
    def store(self, store_database: str) -> Iterator[PostgresEventStore]:
        """A store with a registry in memory."""
        with PostgresEventStore.open(store_database, registry=SCHEMAS, types=PAYLOADS) as store:
            yield store

    @pytest.fixture
    def transaction(self, store_database: str) -> Callable[[], Any]:
        """A connection of psycopg, which commits at the end of its block."""
        return partial(psycopg.connect, store_database)


class TestAsyncPostgres(InPostgres, EventStoreContract):
    """The asynchronous store in PostgreSQL."""

    @pytest.fixture
    async def store(self, store_database: str) -> AsyncIterator[AsyncPostgresEventStore]:
        """A store with a registry in memory."""
        async with AsyncPostgresEventStore.open(
            store_database, registry=SCHEMAS, types=PAYLOADS
        ) as store:
            yield store

    @pytest.fixture
    def transaction(self, store_database: str) -> Callable[[], Any]:
        """A connection of psycopg, which commits at the end of its block."""
        return partial(connected, store_database)


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """An asynchronous connection, which commits at the end of its block."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        yield connection


def create(make: Callable[..., object], options: TopicOptions) -> str:
    """Make a topic that no other test has."""
    name = f"t{uuid4().hex[:12]}_events"
    make(name, options)
    return name
