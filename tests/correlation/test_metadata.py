"""Blocks of metadata: what events saved inside carry, and what a block refuses."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from mainstem.correlation import (
    AMBIENT,
    RESERVED_NAMES,
    carried,
    carried_all,
    carried_entries,
    metadata,
)
from mainstem.errors import ConfigurationError, InvalidMetadata, ReservedMetadataName
from mainstem.event import Event


def event(**entries: bytes) -> Event[str]:
    """An event with these entries of its own."""
    return Event("key", "payload", metadata=entries)


def entries() -> dict[str, bytes]:
    """What an event without entries carries here and now."""
    return dict(carried(event()).metadata)


def test_entries_of_all_kinds_become_bytes() -> None:
    """Give text, bytes, a UUID and a number."""
    with metadata(correlation_id=UUID(int=1), causation_id=-7, actor="Ä", raw=b"\0\xff"):
        inside = entries()

    assert inside == {
        "correlation_id": b"00000000-0000-0000-0000-000000000001",
        "causation_id": b"-7",
        "actor": "Ä".encode(),
        "raw": b"\0\xff",
    }
    assert entries() == {}


def test_blocks_add_and_override() -> None:
    """Nest two blocks, leave the inner one by an error, and look at each step."""
    seen = []
    with metadata(actor="ada", tenant="a"):
        with suppress(KeyError), metadata(actor="grace", correlation_id=None):
            seen.append(entries())
            raise KeyError
        seen.append(entries())

    assert seen == [
        {"actor": b"grace", "tenant": b"a"},
        {"actor": b"ada", "tenant": b"a"},
    ]


def test_an_entry_of_the_event_wins() -> None:
    """Carry with an event that has one of the names: the rest of it stays as it is."""
    own = event(actor=b"own", more=b"1")

    with metadata(actor="ada", tenant="a"):
        other = carried(own)

    assert dict(other.metadata) == {"actor": b"own", "more": b"1", "tenant": b"a"}
    assert (other.key, other.payload, other.timestamp) == (own.key, own.payload, own.timestamp)
    assert dict(own.metadata) == {"actor": b"own", "more": b"1"}


def test_an_event_that_lacks_nothing_stays_the_same_object() -> None:
    """Carry outside of a block, in an empty one, and where the event has all names."""
    plain, full = event(), event(actor=b"own")
    no_event: Any = "no event"

    assert carried(plain) is plain
    with metadata():
        assert carried(plain) is plain
    with metadata(actor="ada"):
        assert carried(full) is full
        assert carried(no_event) is no_event


def test_many_events_carry_the_same() -> None:
    """Carry several, inside and outside of a block; an iterator is read once."""
    events = [event(), event(actor=b"own")]

    with metadata(actor="ada"):
        inside = carried_all(iter(events))

    assert [dict(each.metadata) for each in inside] == [{"actor": b"ada"}, {"actor": b"own"}]
    assert carried_all(iter(events)) == events


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_reserved_name_is_refused_at_once(name: str) -> None:
    """Name an entry as one of our own headers."""
    with pytest.raises(ReservedMetadataName, match=name):
        metadata(**{name: "1"})


@pytest.mark.parametrize("value", [1.5, True, ["a"], object(), "\ud800", 10**5000], ids=type)
def test_a_value_that_is_no_entry_is_refused_at_once(value: Any) -> None:
    """Give what has no obvious bytes; the message names the entry and not its value."""
    with pytest.raises(InvalidMetadata, match="'tenant'"):
        metadata(tenant=value)


def test_a_name_that_no_table_can_hold_is_refused_at_once() -> None:
    """Give a name with half of a pair of UTF-16."""
    with pytest.raises(InvalidMetadata, match="surrogate"):
        metadata(**{"\ud800": "1"})


def test_a_function_can_be_a_block() -> None:
    """Decorate a function that calls itself; each call is a block, and its name stays."""

    @metadata(actor="ada")
    def saving(depth: int) -> list[dict[str, bytes]]:
        return [entries(), *(saving(depth - 1) if depth else ())]

    assert saving(1) == [{"actor": b"ada"}] * 2
    assert saving.__name__ == "saving"
    assert entries() == {}


async def test_an_async_function_can_be_a_block() -> None:
    """Decorate a coroutine function: the block lasts until it is awaited to its end."""

    @metadata(actor="ada")
    async def saving() -> dict[str, bytes]:
        await asyncio.to_thread(lambda: None)
        return entries()

    assert await saving() == {"actor": b"ada"}
    assert entries() == {}


def test_a_generator_cannot_be_a_block() -> None:
    """Decorate generators, whose bodies run when the block is over: refused, and told why."""

    def saving() -> Iterator[None]:
        yield

    async def saving_async() -> AsyncIterator[None]:
        yield

    for function in (saving, saving_async):
        with pytest.raises(ConfigurationError, match="generator"):
            metadata(actor="ada")(function)


async def test_tasks_have_blocks_of_their_own() -> None:
    """Run tasks that each open a block and wait for the other: they inherit, and do not mix."""
    barrier = asyncio.Barrier(2)

    async def task(name: str) -> dict[str, bytes]:
        with shared, metadata(actor=name):
            await barrier.wait()
            return entries()

    shared = metadata(tenant="a")
    with metadata(correlation_id="c"):
        found = await asyncio.gather(task("ada"), task("grace"))
        outside = entries()

    common = {"correlation_id": b"c", "tenant": b"a"}
    assert list(found) == [common | {"actor": b"ada"}, common | {"actor": b"grace"}]
    assert outside == {"correlation_id": b"c"}


async def test_threads_have_what_context_variables_give_them() -> None:
    """Look from `asyncio.to_thread`, which takes the block along, and from a pool without."""
    with metadata(actor="ada"), ThreadPoolExecutor(1) as pool:
        inherited = await asyncio.to_thread(entries)
        bare = pool.submit(contextvars.Context().run, entries).result()

    assert inherited == {"actor": b"ada"}
    assert bare == {}


def test_a_block_may_be_left_in_another_context() -> None:
    """Enter in one context and leave in another, as an async fixture may be: nothing is raised."""
    block = metadata(actor="ada")
    inner = contextvars.copy_context()
    inner.run(block.__enter__)

    block.__exit__(None, None, None)

    assert AMBIENT.get() is None
    assert dict(carried_entries()) == {}
