"""The contract's cases about saving: what comes back, what is refused, what a transaction does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from mainstem.correlation import metadata
from mainstem.errors import (
    ConnectionMisused,
    EventRefused,
    InvalidName,
    ReservedMetadataName,
    UndeclaredPayload,
    UnknownTopic,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import Event, StoredEvent
from mainstem.testing.contract_face import (
    WRITERS,
    Cases,
    Counted,
    Face,
    Undeclared,
    counted,
    placed,
)

MANY = 2500
"""More than a store writes or reads by one statement."""

KEYS: dict[str, list[Any]] = {
    "text": ["", "ä€😀", "'; DROP"],
    "bigint": [-(1 << 63), 0, (1 << 63) - 1],
    "boolean": [True, False],
    "bytea": [b"", b"\0\xff"],
}

BAD_EVENTS: dict[str, tuple[Callable[[], Any], type[Exception]]] = {
    "wrong key type": (lambda: counted(key="text"), WrongKeyType),
    "undeclared payload": (lambda: Event(uuid4(), Undeclared(1)), UndeclaredPayload),
    "reserved metadata name": (lambda: counted(lsn=b"1"), ReservedMetadataName),
    "value out of range": (lambda: counted(1 << 31), ValueOutOfRange),
    "before 1970": (
        lambda: Event(uuid4(), Counted(count=1), datetime(1969, 12, 31, tzinfo=UTC)),
        ValueOutOfRange,
    ),
    "no event": (lambda: Counted(count=1), EventRefused),
}


class SavingCases(Cases):
    """What a save promises."""

    async def test_a_saved_event_comes_back_with_its_place(self, face: Face) -> None:
        """Save an event, and compare what save answers with what reading gives."""
        topic = await face.topic()
        moment = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
        event = Event(uuid4(), placed(), moment, {"b": b"\0\xff", "a": b""})

        stored = await face.save(topic, event)
        found = await face.read(topic, key=event.key)

        assert isinstance(stored, StoredEvent)
        assert (stored.topic, stored.key, stored.payload) == (topic, event.key, event.payload)
        assert stored.timestamp == moment - timedelta(microseconds=999)
        assert dict(stored.metadata) == {"a": b"", "b": b"\0\xff"}
        assert found == [stored]

    async def test_many_events_keep_their_order(self, face: Face) -> None:
        """Save events from an iterator: ids ascend with them, and reading gives them so."""
        topic = await face.topic()
        events = [counted(place, n=b"%d" % place) for place in range(MANY)]

        stored = await face.save_many(topic, iter(events))
        ids = [event.id for event in stored]

        assert [event.payload.count for event in stored] == list(range(MANY))
        assert ids == sorted(set(ids))
        assert await face.read_all(topic) == stored

    async def test_ids_ascend_from_save_to_save(self, face: Face) -> None:
        """Save alone and together, one after the other."""
        topic = await face.topic()

        first = await face.save(topic, counted())
        then = await face.save_many(topic, [counted(), counted()])
        last = await face.save(topic, counted())

        assert first.id < then[0].id < then[1].id < last.id

    async def test_no_events_are_no_error(self, face: Face) -> None:
        """Save an empty list and an empty iterator."""
        topic = await face.topic()

        assert await face.save_many(topic, []) == []
        assert await face.save_many(topic, iter(())) == []

    async def test_saves_at_the_same_time_are_all_kept(self, face: Face) -> None:
        """Save from many tasks or threads: each gets the id of its own event."""
        topic = await face.topic()
        events = [counted(place) for place in range(WRITERS)]

        stored = await face.at_once(partial(face.store.save, topic, event) for event in events)

        assert [event.key for event in stored] == [event.key for event in events]
        assert await face.read_all(topic) == sorted(stored, key=lambda event: event.id)

    @pytest.mark.parametrize("case", BAD_EVENTS)
    async def test_one_bad_event_keeps_all_of_its_save_out(self, case: str, face: Face) -> None:
        """Save it alone, and behind good ones: its error is raised, nothing is there."""
        topic = await face.topic()
        await face.save(topic, counted())
        make, error = BAD_EVENTS[case]

        with pytest.raises(error):
            await face.save(topic, make())
        with pytest.raises(error):
            await face.save_many(topic, [counted(), counted(), make()])

        assert len(await face.read_all(topic)) == 1

    async def test_a_topic_that_is_not_there_is_refused(self, face: Face) -> None:
        """Save to a name that nobody made a topic of, and to what is no name."""
        with pytest.raises(UnknownTopic, match="nowhere_events"):
            await face.save("nowhere_events", counted())
        with pytest.raises(UnknownTopic, match="nowhere_events"):
            await face.save_many("nowhere_events", [counted()])
        with pytest.raises(InvalidName):
            await face.save('a"; DROP', counted())

    @pytest.mark.parametrize("key_type", KEYS)
    async def test_keys_of_other_types_come_back(self, key_type: str, face: Face) -> None:
        """Save under keys at the edges of their type, and read by them."""
        topic = await face.topic(key_type=key_type)
        keys = KEYS[key_type]

        await face.save_many(topic, [counted(key=key) for key in keys])
        found = [await face.read(topic, key=key) for key in keys]

        assert [[event.key for event in events] for events in found] == [[key] for key in keys]

    async def test_metadata_around_a_save_comes_along(self, face: Face) -> None:
        """Save inside `mainstem.metadata(…)`: entries are added, the event's own win."""
        topic = await face.topic()

        with metadata(actor="ada", correlation_id="c"):
            one = await face.save(topic, counted(actor=b"grace"))
            two = await face.save_many(topic, [counted()])
        three = await face.save(topic, counted())
        found = [dict(event.metadata) for event in await face.read_all(topic)]

        assert found == [dict(event.metadata) for event in (one, *two, three)]
        assert found == [
            {"actor": b"grace", "correlation_id": b"c"},
            {"actor": b"ada", "correlation_id": b"c"},
            {},
        ]

    async def test_a_closed_store_refuses(self, face: Face) -> None:
        """Close it twice, and save."""
        topic = await face.topic()
        await face.close()
        await face.close()

        with pytest.raises(ConnectionMisused, match="closed"):
            await face.save(topic, counted())


class TransactionCases(Cases):
    """What a save within the caller's transaction promises."""

    async def test_events_appear_with_the_commit(
        self, face: Face, begin: Callable[[], Any]
    ) -> None:
        """Look from outside before and after the commit, and from inside before it."""
        topic = await face.topic()
        event = counted(1)

        async with begin() as within:
            one = await face.save(topic, event, within=within)
            two = await face.save_many(topic, [counted(2)], within=within)
            before = await face.read_all(topic)
            inside = await face.read(topic, key=event.key, within=within)

        assert before == []
        assert inside == [one]
        assert await face.read_all(topic) == [one, *two]

    async def test_an_error_in_the_block_leaves_nothing(
        self, face: Face, begin: Callable[[], Any]
    ) -> None:
        """Save in a block that fails, then save on."""
        topic = await face.topic()

        async def failing() -> None:
            async with begin() as within:
                await face.save(topic, counted(), within=within)
                await face.save_many(topic, [counted()] * 3, within=within)
                raise KeyError

        with pytest.raises(KeyError):
            await failing()
        last = await face.save(topic, counted())

        assert await face.read_all(topic) == [last]

    async def test_a_refusal_leaves_the_transaction_usable(
        self, face: Face, begin: Callable[[], Any]
    ) -> None:
        """Save what is refused between two good saves: these are there in the end."""
        topic = await face.topic()

        async with begin() as within:
            one = await face.save(topic, counted(), within=within)
            with pytest.raises(UndeclaredPayload):
                await face.save(topic, Event(uuid4(), Undeclared(1)), within=within)
            with pytest.raises(UnknownTopic):
                await face.save("nowhere_events", counted(), within=within)
            two = await face.save(topic, counted(), within=within)

        assert await face.read_all(topic) == [one, two]

    async def test_what_is_no_transaction_is_refused(self, face: Face) -> None:
        """Save within an object of no known kind."""
        topic = await face.topic()

        with pytest.raises(ConnectionMisused, match="within="):
            await face.save(topic, counted(), within=object())

        assert await face.read_all(topic) == []
