"""What results have besides their payload, and what cannot be one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from mainstem import metadata
from mainstem.errors import StreamHalted
from mainstem.event import Event, Position, StoredEvent
from mainstem.streams import EventStream, Streams
from tests.streams.driving import at, drive, order
from tests.streams.shop import MINUTE, BigOrder, Counted, OrderPlaced

METADATA = {"actor": b"ada", "correlation_id": b"7"}
STORED = StoredEvent(
    "a",
    OrderPlaced("DE", 5),
    at(3),
    METADATA,
    topic="orders",
    id=41,
    position=Position(0x2A1DC28, 3),
)
"""An event as the replicator brings it: with an id and a place in commit order."""


def sending(make: Callable[[EventStream[Any]], EventStream[Any]], **options: Any) -> Any:
    """A program that sends what is made of orders to `results`."""

    def program(streams: Streams) -> None:
        make(streams.subscribe("orders", OrderPlaced)).to("results", **options)

    return program


def big(orders: EventStream[StoredEvent[OrderPlaced]]) -> EventStream[BigOrder]:
    """Each order as a payload of its own."""
    return orders.apply(lambda event: BigOrder(event.payload.cents))


def test_a_payload_has_key_time_and_metadata_of_the_event_behind_it() -> None:
    """But not its id and its place: give an event that has all."""
    with drive(sending(big)) as driver:
        driver.given(STORED).then(Event("a", BigOrder(5), at(3), METADATA))


def test_a_payload_keeps_the_correlation_of_the_event_behind_it() -> None:
    """As another event of the same request would: make the event inside of a block."""
    with metadata(correlation_id="7"), drive(sending(big)) as driver:
        driver.given(Event("a", OrderPlaced("DE", 5), at(3), {"correlation_id": b"7"}))

        assert dict(driver.results()[0].metadata) == {"correlation_id": b"7"}


def test_an_event_is_written_as_it_is() -> None:
    """Without the id and the place that it had in another topic: send it on."""
    with drive(sending(lambda orders: orders)) as driver:
        driver.given(STORED).then(Event("a", OrderPlaced("DE", 5), at(3), METADATA))


def test_an_event_that_the_program_makes_keeps_its_own() -> None:
    """Key, time and metadata are what it says: make one that has nothing of its source."""

    def made(_event: Any) -> Event[Counted]:
        return Event("other", Counted(1), at(77), {"why": b"so"})

    with drive(sending(lambda orders: orders.apply(made))) as driver:
        driver.given(STORED).then(Event("other", Counted(1), at(77), {"why": b"so"}))


@pytest.mark.parametrize("make", [lambda orders: orders, big], ids=["event", "payload"])
def test_key_and_timestamp_are_what_functions_say(make: Any) -> None:
    """They are given the value of the stream: take both from an event, and from a payload."""

    def moved(_value: Any) -> datetime:
        return at(60)

    keyed = sending(make, key=lambda value: type(value).__name__, timestamp=moved)
    with drive(keyed) as driver:
        driver.given(STORED)
        [result] = driver.results()

        assert result.key in {"StoredEvent", "BigOrder"}
        assert (result.timestamp, dict(result.metadata)) == (at(60), METADATA)


def test_a_key_may_be_of_another_type() -> None:
    """An integer, say: compare with an event that has it."""
    with drive(sending(big, key=lambda value: int(value.euros))) as driver:
        driver.given(STORED).then(Event(5, BigOrder(5), at(3), METADATA))


def test_results_of_windows_have_no_metadata() -> None:
    """They come from several events: count one that has some."""

    def counts(orders: EventStream[Any]) -> EventStream[Any]:
        windows = orders.tumbling_window(MINUTE).count().current()
        return windows.apply(lambda window: Counted(window.value))

    with drive(sending(counts)) as driver:
        driver.given(STORED)
        [result] = driver.results()

        assert (result.key, result.payload, dict(result.metadata)) == ("a", Counted(1), {})


def test_a_stream_goes_on_behind_its_result() -> None:
    """With the value that was written: send it to a second topic, mapped."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.to("same").apply(lambda event: Counted(event.payload.cents)).to("counts")

    with drive(program) as driver:
        driver.given(order("a", 5))
        driver.then(order("a", 5), topic="same").then(Counted(5), topic="counts")


def windows(orders: EventStream[Any]) -> EventStream[Any]:
    """Windows as they are, which are no payloads."""
    return orders.tumbling_window(MINUTE).count().current()


def dicts(orders: EventStream[Any]) -> EventStream[Any]:
    """Dicts, which are none either."""
    return orders.apply(lambda event: {"cents": event.payload.cents})


@pytest.mark.parametrize(("make", "name"), [(windows, "Window"), (dicts, "dict")])
def test_what_is_no_payload_is_refused_by_name(make: Any, name: str) -> None:
    """And the message tells what to do: send it."""
    with drive(sending(make)) as driver, pytest.raises(StreamHalted) as told:
        driver.given(order("a", 987_654))

    assert f"UndeclaredPayload: {name} was sent to results, which takes events and" in (
        told.value.message
    )
    assert ".apply(lambda window: Revenue(…))" in told.value.hint
    assert "987654" not in f"{told.value.message}{told.value.hint}"
