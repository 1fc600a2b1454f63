"""The contract's cases about the terms of a save: versions, ids of the caller's, conditions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from mainstem.errors import ConcurrencyConflict, ConfigurationError
from mainstem.event import Event, StoredEvent
from mainstem.terms import EXISTS, NO_STREAM, EventQuery
from mainstem.testing.contract_face import WRITERS, Cases, Counted, Face, counted, placed


class VersionCases(Cases):
    """What `expected_version` promises."""

    async def test_the_events_of_a_key_are_numbered(self, face: Face) -> None:
        """Save under two keys, alone and together: each key counts from 1."""
        topic, key = await face.topic(versioned=True), uuid4()

        await face.save(topic, counted(key=key))
        await face.save_many(topic, [counted(key=key), counted(), counted(key=key)])
        stored = await face.read_all(topic)

        assert [event.version for event in stored] == [1, 2, 1, 3]

    async def test_an_expected_version_holds_or_nothing_is_saved(self, face: Face) -> None:
        """Expect the right version, then one too low and one too high, alone and together."""
        topic, key = await face.topic(versioned=True), uuid4()
        one = await face.save(topic, counted(key=key), expected_version=0)
        more = [counted(key=key), counted(key=key)]
        two, three = await face.save_many(topic, more, expected_version=1)

        for expected in (0, 2, 4):
            with pytest.raises(ConcurrencyConflict) as conflict:
                await face.save(topic, counted(key=key), expected_version=expected)
            assert (conflict.value.expected, conflict.value.actual) == (expected, 3)
            with pytest.raises(ConcurrencyConflict):
                await face.save_many(topic, more, expected_version=expected)

        assert [one.version, two.version, three.version] == [1, 2, 3]
        assert await face.read_all(topic) == [one, two, three]

    async def test_a_stream_can_be_expected_to_be_there_or_not(self, face: Face) -> None:
        """Save to a new key and to an old one with NO_STREAM and with EXISTS."""
        topic, key = await face.topic(versioned=True), uuid4()

        with pytest.raises(ConcurrencyConflict):
            await face.save(topic, counted(key=key), expected_version=EXISTS)
        one = await face.save(topic, counted(key=key), expected_version=NO_STREAM)
        with pytest.raises(ConcurrencyConflict):
            await face.save(topic, counted(key=key), expected_version=NO_STREAM)
        two = await face.save(topic, counted(key=key), expected_version=EXISTS)

        assert await face.read_all(topic) == [one, two]
        assert [one.version, two.version] == [1, 2]

    async def test_one_of_many_with_the_same_expectation_wins(self, face: Face) -> None:
        """Save at the same time, all as the first of a key."""
        topic, key = await face.topic(versioned=True), uuid4()
        save = partial(face.store.save, topic, expected_version=NO_STREAM)

        outcomes = await face.at_once(
            partial(save, counted(place, key=key)) for place in range(WRITERS)
        )
        won = [each for each in outcomes if isinstance(each, StoredEvent)]
        lost = [each for each in outcomes if isinstance(each, ConcurrencyConflict)]

        assert len(won) == 1
        assert len(lost) == WRITERS - 1
        assert await face.read_all(topic) == won

    async def test_many_without_an_expectation_are_numbered_without_gap(self, face: Face) -> None:
        """Save to one key at the same time, expecting nothing: all are saved."""
        topic, key = await face.topic(versioned=True), uuid4()
        save = partial(face.store.save, topic)

        stored = await face.at_once(
            partial(save, counted(place, key=key)) for place in range(WRITERS)
        )
        found = await face.read(topic, key=key)

        assert sorted(event.version for event in stored) == list(range(1, WRITERS + 1))
        assert sorted(found, key=by_version) == sorted(stored, key=by_version)

    async def test_a_rollback_leaves_no_gap(self, face: Face, begin: Callable[[], Any]) -> None:
        """Save in a block that fails, then again."""
        topic, key = await face.topic(versioned=True), uuid4()

        async def failing() -> None:
            async with begin() as within:
                await face.save(topic, counted(key=key), within=within, expected_version=0)
                raise KeyError

        with pytest.raises(KeyError):
            await failing()
        async with begin() as within:
            one = await face.save(topic, counted(key=key), within=within, expected_version=0)
            two = await face.save(topic, counted(key=key), within=within, expected_version=1)

        assert [one.version, two.version] == [1, 2]
        assert await face.read_all(topic) == [one, two]

    async def test_loading_tells_the_version_to_expect(self, face: Face) -> None:
        """Load, save on what was loaded, and once more on the same."""
        topic, key = await face.topic(versioned=True), uuid4()
        await face.save_many(topic, [counted(key=key), counted(key=key)])
        loaded = await face.load(topic, key, lambda state, _: state + 1, 0)

        await face.save(topic, counted(key=key), expected_version=loaded.version)
        with pytest.raises(ConcurrencyConflict):
            await face.save(topic, counted(key=key), expected_version=loaded.version)

        assert loaded.state == loaded.version
        assert len(await face.read(topic, key=key)) == loaded.version + 1

    async def test_a_topic_without_versions_cannot_expect_one(self, face: Face) -> None:
        """Expect a version of a plain topic."""
        topic = await face.topic()

        with pytest.raises(ConfigurationError, match="expected_version"):
            await face.save(topic, counted(), expected_version=0)

        assert await face.read_all(topic) == []


class IdempotencyCases(Cases):
    """What `event_id` promises."""

    async def test_a_repeated_save_answers_the_first(self, face: Face) -> None:
        """Save twice with one id, the second time with another payload."""
        topic, key, event_id = await face.topic(idempotent=True), uuid4(), uuid4()

        first = await face.save(topic, counted(1, key=key), event_id=event_id)
        again = await face.save(topic, counted(2, key=key), event_id=event_id)
        other = await face.save(topic, counted(3, key=key), event_id=uuid4())

        assert again == first
        assert await face.read_all(topic) == [first, other]

    async def test_a_repeated_batch_answers_the_first(self, face: Face) -> None:
        """Save a batch twice, and one that shares an id with it."""
        topic, ids = await face.topic(idempotent=True), [uuid4(), uuid4()]
        events = [counted(1), counted(2)]

        first = await face.save_many(topic, events, event_ids=ids)
        again = await face.save_many(topic, events, event_ids=ids)
        mixed = await face.save_many(topic, [events[1], counted(3)], event_ids=[ids[1], uuid4()])

        assert again == first
        assert mixed[0] == first[1]
        assert await face.read_all(topic) == [*first, mixed[1]]

    async def test_a_repeated_save_is_no_conflict(self, face: Face) -> None:
        """Repeat a save that expected a version, which its first time has moved on."""
        topic, event_id = await face.topic(versioned=True, idempotent=True), uuid4()
        event = counted()

        first = await face.save(topic, event, event_id=event_id, expected_version=0)
        again = await face.save(topic, event, event_id=event_id, expected_version=0)

        assert again == first
        assert await face.read_all(topic) == [first]

    async def test_an_id_counts_once_it_is_committed(
        self, face: Face, begin: Callable[[], Any]
    ) -> None:
        """Save with an id in a block that fails, then in one that does not, then again."""
        topic, event_id, event = await face.topic(idempotent=True), uuid4(), counted()

        async def failing() -> None:
            async with begin() as within:
                await face.save(topic, event, within=within, event_id=event_id)
                raise KeyError

        with pytest.raises(KeyError):
            await failing()
        async with begin() as within:
            first = await face.save(topic, event, within=within, event_id=event_id)
            again = await face.save(topic, event, within=within, event_id=event_id)

        assert again == first
        assert await face.read_all(topic) == [first]

    async def test_a_topic_without_ids_cannot_keep_one(self, face: Face) -> None:
        """Give an id to an event of a plain topic."""
        topic = await face.topic()

        with pytest.raises(ConfigurationError, match="event_id"):
            await face.save(topic, counted(), event_id=uuid4())

        assert await face.read_all(topic) == []


class ConditionCases(Cases):
    """What `append_condition` promises."""

    async def test_a_decision_holds_until_a_relevant_event_comes(self, face: Face) -> None:
        """Decide on a tag, let an event with another tag come, then one with this tag."""
        topic = await face.topic()
        ada = await face.save(topic, counted(1, owner=b"ada"))
        await face.save(topic, counted(2, owner=b"grace"))
        decision = await face.query(topic, EventQuery(metadata={"owner": b"ada"}))
        terms = {"append_condition": decision.condition}

        await face.save(topic, counted(3, owner=b"grace"), **terms)
        await face.save(topic, counted(4, owner=b"ada"))
        with pytest.raises(ConcurrencyConflict):
            await face.save(topic, counted(5, owner=b"ada"), **terms)
        with pytest.raises(ConcurrencyConflict):
            await face.save_many(topic, [counted(6), counted(7)], **terms)

        assert list(decision.events) == [ada]
        assert [event.payload.count for event in await face.read_all(topic)] == [1, 2, 3, 4]

    async def test_a_decision_may_be_about_a_key_and_types(self, face: Face) -> None:
        """Decide on one type of a key's events; others of the key, and of the type, may come."""
        topic, key = await face.topic(), uuid4()
        query = EventQuery(key=key, types=(Counted,))
        first = await face.query(topic, query)

        await face.save(topic, Event(key, placed()), append_condition=first.condition)
        await face.save(topic, counted(), append_condition=first.condition)
        relevant = await face.save(topic, counted(key=key), append_condition=first.condition)
        second = await face.query(topic, query)
        with pytest.raises(ConcurrencyConflict):
            await face.save(topic, counted(), append_condition=first.condition)
        await face.save(topic, counted(), append_condition=second.condition)

        assert list(first.events) == []
        assert list(second.events) == [relevant]

    async def test_one_of_many_with_the_same_condition_wins(self, face: Face) -> None:
        """Decide once, and save at the same time what the decision excludes."""
        topic, tags = await face.topic(), {"owner": b"ada"}
        decision = await face.query(topic, EventQuery(metadata=tags))
        save = partial(face.store.save, topic, append_condition=decision.condition)

        outcomes = await face.at_once(
            partial(save, counted(place, owner=b"ada")) for place in range(WRITERS)
        )
        won = [each for each in outcomes if isinstance(each, StoredEvent)]
        lost = [each for each in outcomes if isinstance(each, ConcurrencyConflict)]

        assert len(won) == 1
        assert len(lost) == WRITERS - 1
        assert await face.read_all(topic) == won


def by_version(event: StoredEvent[Any]) -> int:
    """What the events of a key are numbered by."""
    return event.version or 0
