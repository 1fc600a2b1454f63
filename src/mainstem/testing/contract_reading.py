"""The contract's cases about reading: what is selected, in which order, and what it folds to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from mainstem.errors import ConfigurationError, NaiveDatetime, UnknownTopic
from mainstem.event import Event, StoredEvent
from mainstem.testing.contract_face import Cases, Counted, Face, Placed, counted, placed

DAY = datetime(2024, 2, 29, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTHERS = 7
MANY = 1200
"""More than a store reads by one statement."""
PIECES = 3


class ReadingCases(Cases):
    """What reading promises."""

    async def test_a_key_gives_its_own_events_only(self, face: Face) -> None:
        """Save under two keys in turn, and read one; a key without events gives none."""
        topic, key = await face.topic(), uuid4()

        stored = [
            await face.save(topic, counted(place, key=key if place % 2 else None))
            for place in range(OTHERS)
        ]

        assert await face.read(topic, key=key) == stored[1::2]
        assert await face.read(topic, key=uuid4()) == []

    async def test_reading_goes_both_ways_from_any_place(self, face: Face) -> None:
        """Read the events of a key forwards and backwards, from an id on, so many."""
        topic, key = await face.topic(), uuid4()
        one, two, three = await face.save_many(topic, [counted(n, key=key) for n in range(3)])

        backwards = {"key": key, "backwards": True}

        assert await face.read(topic, key=key, after=one.id) == [two, three]
        assert await face.read(topic, key=key, limit=2) == [one, two]
        assert await face.read(topic, key=key, after=one.id, limit=1) == [two]
        assert await face.read(topic, key=key, limit=0) == []
        assert await face.read(topic, **backwards) == [three, two, one]
        assert await face.read(topic, **backwards, limit=1) == [three]
        assert await face.read(topic, **backwards, after=three.id) == [two, one]

    async def test_types_and_times_narrow_what_is_read(self, face: Face) -> None:
        """Save two types at three hours; `since` is inclusive, `until` is not."""
        topic, key = await face.topic(), uuid4()
        payloads = [Counted(count=0), placed(), Counted(count=2)]
        events = [Event(key, each, DAY + place * HOUR) for place, each in enumerate(payloads)]
        one, two, three = await face.save_many(topic, events)

        assert await face.read(topic, key=key, types=[Counted]) == [one, three]
        assert await face.read(topic, key=key, types=["mainstem.contract.Placed"]) == [two]
        assert await face.read_all(topic, types=[Placed, Counted]) == [one, two, three]
        assert await face.read(topic, key=key, types=[Counted], limit=1, after=one.id) == [three]
        assert await face.read(topic, key=key, since=DAY + HOUR) == [two, three]
        assert await face.read_all(topic, until=DAY + HOUR) == [one]
        assert await face.read_all(topic, since=DAY + HOUR, until=DAY + 2 * HOUR) == [two]

    async def test_a_topic_can_be_read_in_pieces(self, face: Face) -> None:
        """Read all of it, and again by pieces that each begin behind the one before."""
        topic = await face.topic()
        stored = await face.save_many(topic, [counted(place) for place in range(MANY)])

        pieces: list[StoredEvent[Counted]] = []
        for _ in range(PIECES):
            place = pieces[-1].id if pieces else None
            pieces += await face.read_all(topic, after=place, limit=MANY // PIECES + 1)

        assert pieces == stored
        assert await face.read_all(topic) == stored

    async def test_a_pattern_merges_topics_by_time(self, face: Face) -> None:
        """Save to two topics in turn, and read them by what begins their names."""
        topics = [await face.topic(), await face.topic()]
        stored = [
            await face.save(
                topics[place % 2], Event(uuid4(), Counted(count=place), DAY + place * HOUR)
            )
            for place in range(OTHERS)
        ]
        last = {event.topic: event.id for event in stored[:3]}

        found = await face.read_all("*_events")
        behind = await face.read_all("*_events", after=last)

        assert [event for event in found if event.topic in topics] == stored
        assert [event for event in behind if event.topic in topics] == stored[3:]

    async def test_a_selection_that_cannot_be_meant_is_refused(self, face: Face) -> None:
        """Read what is no topic, so many as is no number, since a time without zone."""
        topic = await face.topic()

        with pytest.raises(UnknownTopic, match="nowhere_events"):
            await face.read("nowhere_events", key=uuid4())
        with pytest.raises(UnknownTopic):
            await face.read_all("nowhere_at_all_*")
        with pytest.raises(ConfigurationError, match="limit"):
            await face.read(topic, key=uuid4(), limit=-1)
        with pytest.raises(NaiveDatetime):
            await face.read_all(topic, since=DAY.replace(tzinfo=None))

    async def test_a_stream_folds_to_its_state(self, face: Face) -> None:
        """Load a key with events and one without."""
        topic, key = await face.topic(), uuid4()
        stored = await face.save_many(topic, [counted(n, key=key) for n in (1, 20, 300)])

        full = await face.load(topic, key, summed, 0)
        empty = await face.load(topic, uuid4(), summed, 0)

        assert (full.state, full.version, full.last_id) == (321, 3, stored[-1].id)
        assert (empty.state, empty.version, empty.last_id) == (0, 0, None)


def summed(state: int, event: StoredEvent[Counted]) -> int:
    """The sum of the counts."""
    return state + event.payload.count
