"""What a following cannot go on behind is raised behind the events that came before it."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from mainstem.errors import Refusal
from mainstem.postgres.following import watch
from mainstem.postgres.following.faces import AsyncFollowing
from tests.postgres.following.conftest import Field

NO_DATA = "NULL::bytea, now()"
WRONG_ROWS = [
    "'\\x00', '1969-12-31 23:59:59+00'",
    "'\\x00', 'infinity'",
    "'\\x00', '-infinity'",
    NO_DATA,
]


@pytest.fixture(autouse=True)
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch does not look: what is told is told by the stream."""
    monkeypatch.setattr(watch, "WATCH_S", 60.0)


def insert_wrong(field: Field, values: str) -> None:
    """Insert a row that is no event, and good ones behind it."""
    field.connection.execute(
        f"ALTER TABLE events.{field.topic} ALTER data DROP NOT NULL;"
        f"INSERT INTO events.{field.topic} (key, data, timestamp)"
        f" SELECT gen_random_uuid(), {values}"
    )
    field.insert(2)


@pytest.mark.parametrize("values", WRONG_ROWS)
@pytest.mark.parametrize("after", [None, 4], ids=["live", "history"])
def test_events_before_a_wrong_row_come_first(field: Field, after: int | None, values: str) -> None:
    """Aim: good events are no victims. Method: 5, 6, 7, then a row that is none, in one batch."""
    field.insert(4)
    following = None if after else field.follow()
    field.insert(3)
    insert_wrong(field, values)
    following = following or field.follow(after)
    events = list(islice(following, 3))
    with pytest.raises(Refusal) as caught:
        next(following)

    assert [event.id for event in events] == [5, 6, 7]
    assert caught.value.name == "row-refused"
    assert following.position == events[-1].position


def test_events_before_a_rename_come_first(field: Field) -> None:
    """Aim: all that committed under the old name. Method: four, a rename and a fifth at once."""
    following = field.follow()
    field.insert(4)
    field.connection.execute(f"ALTER TABLE events.{field.topic} RENAME TO else_events")
    field.insert(topic="else_events")
    ids = [event.id for event in islice(following, 4)]
    with pytest.raises(Refusal) as caught:
        next(following)

    assert ids == [1, 2, 3, 4]
    assert caught.value.name == "table-renamed"


def test_the_asynchronous_face_gives_them_too(field: Field) -> None:
    """Aim: one promise for both faces. Method: three events and a wrong row in one batch."""
    ids: list[int] = []

    async def consume() -> None:
        async with AsyncFollowing(field.request()) as following:
            await asyncio.to_thread(field.insert, 3)
            await asyncio.to_thread(insert_wrong, field, NO_DATA)
            async for event in following:
                ids.append(event.id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(Refusal) as caught:
        asyncio.run(consume())

    assert ids == [1, 2, 3]
    assert caught.value.name == "row-refused"


def test_a_version_of_the_table_s_own_is_none_of_the_event(field: Field) -> None:
    """Aim: a column that is only called so is left alone. Method: from history, and live."""
    field.connection.execute(f"ALTER TABLE events.{field.topic} ADD version bigint DEFAULT 7")
    field.insert()
    following = field.follow(after=0)
    field.insert()

    assert [(event.id, event.version) for event in islice(following, 2)] == [(1, None), (2, None)]
