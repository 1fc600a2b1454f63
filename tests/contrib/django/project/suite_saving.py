"""Saves inside the transactions that Django's tests, blocks and requests open."""

from __future__ import annotations

import os
from typing import Any, NoReturn
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from mainstem import Event, StoredEvent
from mainstem.contrib.django import event_store, save, save_many
from mainstem.contrib.django.database import conninfo
from mainstem.errors import ConcurrencyConflict, ConnectionMisused, MainstemError
from mainstem.postgres import PostgresEventStore
from mainstem.terms import NO_STREAM
from tests.contrib.django.project.ledger.events import TOPIC, Noted
from tests.contrib.django.project.ledger.models import Entry

NIL = UUID(int=0)
VIEWS = ("sync", "async")


def noted(key: UUID) -> Event[Noted]:
    """An event of this key."""
    return Event(key, Noted(text="ä"))


def seen(key: UUID) -> int:
    """How many events of this key Django's connection sees."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM events.{TOPIC} WHERE key = %s", [key])
        return int(cursor.fetchone()[0])


def committed(key: UUID) -> int:
    """How many events of this key everybody sees."""
    with psycopg.connect(conninfo("default")) as observer:
        row = observer.execute(f"SELECT count(*) FROM events.{TOPIC} WHERE key = %s", [key])
        return int((row.fetchone() or [0])[0])


@transaction.atomic
def save_and_fail(key: UUID) -> None:
    """Save in a block that ends by an error."""
    save(TOPIC, noted(key))
    raise LookupError


def end_after_save(key: UUID, strange: PostgresEventStore) -> NoReturn:
    """Save in this process and end it, whatever happens; status 0 if the store was not strange."""
    status = 1
    try:
        store = event_store()
        store.save(TOPIC, noted(key))
        status = int(store is strange)
    finally:
        os._exit(status)


class InsideATest(TestCase):
    """TestCase wraps each test in a transaction, so blocks inside are savepoints."""

    def test_an_event_is_where_its_model_is(self) -> None:
        """Aim: one transaction. Method: save both, look from inside and from outside."""
        key = uuid4()
        with transaction.atomic():
            Entry.objects.create(key=key)
            stored = event_store().save(TOPIC, noted(key), within="default")

        assert (seen(key), committed(key)) == (1, 0)
        assert (stored.payload.text, stored.version) == ("ä", 1)

    def test_a_block_that_fails_takes_its_events_along(self) -> None:
        """Aim: savepoints hold for events. Method: one event before the block, one inside."""
        before, inside = uuid4(), uuid4()
        save(TOPIC, noted(before))
        with pytest.raises(LookupError):
            save_and_fail(inside)

        assert (seen(before), seen(inside)) == (1, 0)

    def test_events_are_read_back_inside_the_transaction(self) -> None:
        """Aim: tests can look at what they saved. Method: read by key, as the declared class."""
        key = uuid4()
        save_many(TOPIC, [noted(key), noted(key)])
        events: list[StoredEvent[Any]] = list(event_store().read(TOPIC, key=key, within="default"))

        assert [event.version for event in events] == [1, 2]
        assert events[0].payload == Noted(text="ä")

    def test_a_conflict_leaves_the_transaction_usable(self) -> None:
        """Aim: a caller may decide again at once. Method: expect no stream, twice."""
        key = uuid4()
        save(TOPIC, noted(key), expected_version=NO_STREAM)
        with pytest.raises(ConcurrencyConflict) as caught:
            save(TOPIC, noted(key), expected_version=NO_STREAM)
        save(TOPIC, noted(key), expected_version=1)

        assert (caught.value.expected, caught.value.actual) == (0, 1)
        assert seen(key) == 2

    def test_a_repeated_save_is_known_by_its_id(self) -> None:
        """Aim: idempotency through the convenience. Method: the same event_id twice."""
        key, event_id = uuid4(), uuid4()
        first, second = (save(TOPIC, noted(key), event_id=event_id) for _ in range(2))

        assert first.id == second.id
        assert seen(key) == 1

    def test_views_of_both_kinds_save(self) -> None:
        """Aim: requests work as they are. Method: ask both views for success and for an error."""
        for view in VIEWS:
            key = uuid4()
            answer = self.client.post(f"/{view}/{key}")
            with pytest.raises(LookupError):
                self.client.post(f"/{view}/{NIL}")

            assert answer.status_code == 201
            assert (seen(key), Entry.objects.filter(key=key).count()) == (1, 1)
            assert (seen(NIL), Entry.objects.filter(key=NIL).count()) == (0, 0)


class OutsideATransaction(TransactionTestCase):
    """TransactionTestCase lets commits be commits."""

    def test_a_save_outside_a_block_commits_at_once(self) -> None:
        """Aim: as Model.save does. Method: save without a block, look from outside."""
        key = uuid4()
        save(TOPIC, noted(key))

        assert committed(key) == 1

    def test_the_store_itself_wants_a_block(self) -> None:
        """Aim: `within` always means a transaction. Method: name the alias outside of one."""
        key = uuid4()
        with pytest.raises(ConnectionMisused):
            event_store().save(TOPIC, noted(key), within="default")

        assert committed(key) == 0

    def test_a_block_commits_or_leaves_nothing(self) -> None:
        """Aim: both or neither. Method: a block that ends well, and one that fails."""
        well, badly = uuid4(), uuid4()
        with transaction.atomic():
            save(TOPIC, noted(well))
            meanwhile = committed(well)
        with pytest.raises(LookupError):
            save_and_fail(badly)

        assert (meanwhile, committed(well), committed(badly)) == (0, 1, 0)

    def test_a_save_of_its_own_needs_no_connection_of_django(self) -> None:
        """Aim: the store's own commit works; ending the tests then drops the database all the same.

        Method: save without `within`; the runner fails if a connection stands in its way.
        """
        key = uuid4()
        event_store().save(TOPIC, noted(key))

        assert committed(key) == 1

    def test_a_forked_process_has_a_store_of_its_own(self) -> None:
        """Aim: servers fork after the store was used. Method: fork, save here and there."""
        before, here, there = uuid4(), uuid4(), uuid4()
        event_store().save(TOPIC, noted(before))
        store = event_store()
        child = os.fork()
        if child == 0:
            end_after_save(there, store)
        _, status = os.waitpid(child, 0)
        store.save(TOPIC, noted(here))

        assert status == 0
        assert event_store() is store
        assert (committed(here), committed(there)) == (1, 1)


class Settings(TransactionTestCase):
    """The store follows the settings."""

    databases = {"default", "other"}  # noqa: RUF012  # Django declares it as a set.

    def test_other_settings_mean_another_store(self) -> None:
        """Aim: `override_settings` works. Method: the same settings, then others."""
        store = event_store()
        with override_settings(MAINSTEM={"TYPES": []}):
            other = event_store()

        assert other is not store

    def test_topics_are_only_in_the_database_that_is_named(self) -> None:
        """Aim: migrating every database makes one table. Method: save to the other one."""
        with pytest.raises(MainstemError) as caught:
            save(TOPIC, noted(uuid4()), using="other")

        assert caught.value.name == "unknown-topic"
