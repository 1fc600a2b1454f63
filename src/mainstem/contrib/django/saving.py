"""Saves on Django's own connection, in the transaction that is open there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from uuid import UUID

from django.db import connections, transaction

from mainstem.contrib.django import settings
from mainstem.contrib.django.store import event_store
from mainstem.event import Event, StoredEvent
from mainstem.terms import ANY, AppendCondition, ExpectedVersion

P = TypeVar("P")


def save(  # noqa: PLR0913  # The store's own parameters, with Django's `using`.
    topic: str,
    event: Event[P],
    *,
    using: str | None = None,
    expected_version: ExpectedVersion = ANY,
    event_id: UUID | None = None,
    append_condition: AppendCondition | None = None,
) -> StoredEvent[P]:
    """Save the event where a model would be saved: it comes back with the id of its row.

    Inside `transaction.atomic()` it is there if the block commits; outside it commits at once.
    `using` is an alias of DATABASES, by default the one that MAINSTEM names. The rest, and what
    is raised, is as in PostgresEventStore.save.
    """
    alias = using or settings.current().database
    with joined(alias):
        return event_store().save(
            topic,
            event,
            within=alias,
            expected_version=expected_version,
            event_id=event_id,
            append_condition=append_condition,
        )


def save_many(  # noqa: PLR0913  # As above.
    topic: str,
    events: Iterable[Event[P]],
    *,
    using: str | None = None,
    expected_version: ExpectedVersion = ANY,
    event_ids: Iterable[UUID] | None = None,
    append_condition: AppendCondition | None = None,
) -> list[StoredEvent[P]]:
    """Save all of the events or none, otherwise as `save`."""
    alias = using or settings.current().database
    with joined(alias):
        return event_store().save_many(
            topic,
            events,
            within=alias,
            expected_version=expected_version,
            event_ids=event_ids,
            append_condition=append_condition,
        )


def joined(alias: str) -> AbstractContextManager[Any]:
    """The block of `transaction.atomic()` that is open here, or one for this call."""
    # No savepoint where a block is open: each costs two round trips, and a caller who wants to
    # go on after an error opens one by `atomic()`, as for any query.
    if connections[alias].in_atomic_block:
        return nullcontext()
    return transaction.atomic(using=alias)
