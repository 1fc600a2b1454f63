"""One key anew, in the tables that serve: its rows are deleted and made again from all its events.

Projectors are held back while it happens, at their offsets, so the events that are applied are
exactly those that the rows have seen. Before that, most of them are read at leisure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mainstem.errors import ConfigurationError, DecodeError
from mainstem.event import Key, StoredEvent
from mainstem.kafka.delivered import Delivered
from mainstem.postgres.plan import Plan
from mainstem.projection.applying import Application, decoded, handling
from mainstem.projection.batch import Arrival, Batch
from mainstem.projection.definition import Definition
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.kinds.address import Address
from mainstem.projection.rebuilding import statements
from mainstem.projection.rebuilding.decoding import Decoding
from mainstem.projection.rebuilding.planning import plan_rebuild
from mainstem.projection.rebuilding.swapping import lock_offsets
from mainstem.projection.rebuilding.work import Observe, RebuildSettings, Work, alone, unobserved
from mainstem.projection.transactions import transactions
from mainstem.wire import key_bytes, key_from_bytes

Discarding = Callable[[Iterable[Key]], Plan[None]]


class KeyReport(NamedTuple):
    """What was done for one key."""

    group: str
    events: int
    """That the key's rows are made of now."""


@dataclass(slots=True)
class Collecting:
    """Keeps events in place of applying them."""

    events: list[StoredEvent[Any]] = field(default_factory=list)

    def apply(self, batch: Batch) -> None:
        """Take the events in; HandlerFailed for one that could not be decoded."""
        self.events += decoded(batch.arrivals)

    def judge(self, batch: Batch, failed: HandlerFailed) -> bool:
        """Let nothing pass."""
        del batch, failed
        return False


class OfKey:
    """Decodes the messages of one key; all others only move offsets."""

    def __init__(self, decode: Decoding, key: bytes) -> None:
        """Of this key, as it is in Kafka."""
        self._decode = decode
        self._key = key

    def __call__(self, delivered: Delivered) -> Arrival:
        """As of `Decoding`."""
        return self._decode(delivered) if delivered.key == self._key else Arrival(delivered, None)


def rebuild_key(
    definition: Definition,
    settings: RebuildSettings,
    key_text: str,
    observe: Observe = unobserved,
) -> KeyReport:
    """Make the rows of one key anew, in place.

    Raises ConfigurationError where the class does not say which rows are a key's: a
    StreamProjection does, and any class with a function `discarding(keys)`.
    """
    discarding = discarding_of(definition)
    key = parsed_key(definition, key_text)
    plan = plan_rebuild(definition)
    with alone(settings, plan) as work:
        collected = Collecting()
        builder = work.reader(observe, collected, lambda decode: OfKey(decode, key_bytes(key)))
        builder.reach_exactly(work.serving())
        with work.session.transaction():
            work.reach_exactly(builder, lock_offsets(work.session, plan, ()))
            replace_rows(work, discarding([key]), collected.events)
            work.session.tell(statements.settle(plan.serving.group, key_bytes(key)))
    return KeyReport(plan.serving.group, len(collected.events))


def replace_rows(work: Work, discarding: Plan[None], events: list[StoredEvent[Any]]) -> None:
    """Delete the key's rows and apply its events, in one transaction."""
    definition = work.plan.definition

    def steps() -> Application:
        yield from discarding
        yield from handling(definition, events)

    address = Address(work.settings.database_url, work.plan.serving.schema)
    made = transactions(definition.transaction, address)
    try:
        made.run(steps())
    finally:
        made.close()


def discarding_of(definition: Definition) -> Discarding:
    """What deletes the rows of keys; ConfigurationError where the class does not say."""
    found: Discarding | None = getattr(definition.projection, "discarding", None)
    if found is None:
        raise ConfigurationError(
            f"{definition.name} does not say which rows are those of a key",
            hint="a StreamProjection does; rebuild the whole of this one",
        )
    return found


def parsed_key(definition: Definition, text: str) -> Key:
    """The key of a text; ConfigurationError, which does not repeat it."""
    try:
        return key_from_bytes(text.encode(), definition.key_type)
    except DecodeError as error:
        raise ConfigurationError(
            f"that is no key of {definition.name}, whose keys are of type"
            f" {definition.key_type.__name__}"
        ) from error
