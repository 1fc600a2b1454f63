"""Django: what its transactions are told, and what is refused, beside the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError
from django.utils.connection import ConnectionProxy

from mainstem.errors import ConnectionMisused, EventRefused, InvalidName
from tests.postgres.conftest import count
from tests.postgres.faces.callers import Address, Stores
from tests.postgres.faces.djangos import database
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]


@pytest.fixture
def alias(address: Address) -> Iterator[str]:
    """The database of the test, as Django knows it in this thread."""
    name = database(address)
    yield name
    connections[name].close()


def test_an_error_that_ended_the_transaction_is_known_to_django(
    stores: Stores, alias: str, new_topic: str, observer: Connection
) -> None:
    """Aim: no half-told commit. Method: swallow an error of a save, query, leave the block."""
    observer.execute(f"ALTER TABLE events.{new_topic} ADD UNIQUE (key)")
    event = noted()
    with transaction.atomic(using=alias):
        stores.sync.save(new_topic, event, within=alias)
        with pytest.raises(EventRefused):
            stores.sync.save(new_topic, event, within=alias)
        marked = connections[alias].needs_rollback
        with pytest.raises(TransactionManagementError) as caught:
            connections[alias].cursor().execute("SELECT 1")
        with pytest.raises(ConnectionMisused, match="has failed"):
            stores.sync.save(new_topic, noted(), within=alias)

    assert marked
    assert isinstance(caught.value.__cause__, EventRefused)
    assert count(observer, new_topic) == 0


def test_an_error_before_the_server_leaves_djangos_transaction_alone(
    stores: Stores, alias: str, new_topic: str, observer: Connection
) -> None:
    """Aim: only what PostgreSQL gave up is marked. Method: a bad name and key, then go on."""
    with transaction.atomic(using=alias):
        with pytest.raises(InvalidName):
            stores.sync.save('a"; DROP', noted(), within=alias)
        with pytest.raises(EventRefused):
            stores.sync.save(new_topic, noted(key="text"), within=alias)
        stores.sync.save(new_topic, noted(), within=alias)

    assert count(observer, new_topic) == 1


def test_a_wrapper_and_a_proxy_stand_for_their_database(
    stores: Stores, alias: str, new_topic: str, observer: Connection
) -> None:
    """Aim: `django.db.connection` and its kind. Method: save within each."""
    with transaction.atomic(using=alias):
        stores.sync.save(new_topic, noted(), within=connections[alias])
        stores.sync.save(new_topic, noted(), within=ConnectionProxy(connections, alias))

    assert count(observer, new_topic) == 2


async def test_an_event_loop_is_told_the_way(stores: Stores, alias: str, new_topic: str) -> None:
    """Aim: Django's transactions are not here. Method: save in a coroutine, by each face."""
    with pytest.raises(ConnectionMisused, match="event loop") as caught:
        stores.sync.save(new_topic, noted(), within=alias)
    with pytest.raises(ConnectionMisused, match="within="):
        await stores.asynchronous.save(new_topic, noted(), within=alias)  # type: ignore[arg-type]  # The case.

    assert "sync_to_async" in caught.value.hint


async def test_a_wrapper_of_another_thread_is_refused(
    stores: Stores, alias: str, new_topic: str
) -> None:
    """Aim: connections belong to threads. Method: lend this thread's to another one."""
    wrapper = connections[alias]
    with pytest.raises(ConnectionMisused, match="another thread"):
        await asyncio.to_thread(stores.sync.save, new_topic, noted(), within=wrapper)


def test_an_unknown_alias_is_refused_and_not_shown(stores: Stores, new_topic: str) -> None:
    """Aim: an address given by mistake may hold a password. Method: give one."""
    with pytest.raises(ConnectionMisused, match="DATABASES") as caught:
        stores.sync.save(new_topic, noted(), within="postgresql://me:secret@host/database")

    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_database_that_is_no_postgresql_is_refused(stores: Stores, new_topic: str) -> None:
    """Aim: the wrong alias. Method: SQLite, in a block of its own."""
    known: dict[str, dict[str, Any]] = {
        "default": {},
        "lite": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    }
    connections.configure_settings(known)
    connections.settings["lite"] = known["lite"]
    try:
        with (
            transaction.atomic(using="lite"),
            pytest.raises(ConnectionMisused, match="sqlite"),
        ):
            stores.sync.save(new_topic, noted(), within="lite")
    finally:
        connections["lite"].close()
        del connections["lite"], connections.settings["lite"]
