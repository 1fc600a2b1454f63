"""The driver shows what a program does, and what becomes of it when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mainstem.errors import ConfigurationError, StreamHalted
from mainstem.event import Event, Position, StoredEvent
from mainstem.streams import DeadLetterTopic, State, StreamApp, Streams
from mainstem.testing.streams import StreamDriver
from tests.streams.driving import NOON_MS, at, drive, order, payment
from tests.streams.shop import MINUTE, Counted, OrderPaid, OrderPlaced, PaidOrder, Revenue, paid

SECRET = "4111-1111"
POISON = 13
"""Cents of an order that no program here can stand."""


def same(streams: Streams) -> None:
    """One topic in, one topic out."""
    streams.subscribe("orders", OrderPlaced).to("same")


def refuse(event: StoredEvent[OrderPlaced]) -> None:
    """Fail at poison, and tell more than anybody should read."""
    if event.payload.cents == POISON:
        raise ValueError(f"cannot read {SECRET}")


# -- given and then


def test_then_tells_both_lists_where_they_differ() -> None:
    """What was expected and what came: expect another value, one too few and one too many."""
    with drive(same) as driver:
        for expected in ([OrderPlaced("FR", 2)], [], [OrderPlaced("DE", 1)] * 2):
            driver.given(order("a", 1))
            with pytest.raises(AssertionError) as told:
                driver.then(*expected)

            assert f"{len(expected)} results expected, 1 came" in str(told.value)
            assert str(told.value).count("  expected OrderPlaced(") == len(expected)
            assert "came     Event(key='a', payload=OrderPlaced(country='DE'" in str(told.value)


@pytest.mark.parametrize(
    "other",
    [
        Event("b", OrderPlaced("DE", 1), at(1)),
        Event("a", OrderPlaced("DE", 2), at(1)),
        Event("a", OrderPlaced("DE", 1), at(2)),
        Event("a", OrderPlaced("DE", 1), at(1), {"actor": b"ada"}),
    ],
    ids=["key", "payload", "timestamp", "metadata"],
)
def test_an_event_is_compared_by_all_it_has(other: Event[OrderPlaced]) -> None:
    """A payload by itself: expect the event, its payload, and an event with another part."""
    with drive(same) as driver:
        event = order("a", 1, 1)
        driver.given(event).then(event).given(event).then(event.payload).given(event)
        with pytest.raises(AssertionError):
            driver.then(other)


def test_each_look_is_at_what_is_new() -> None:
    """Since the one before, in each topic: look twice."""
    with drive(same) as driver:
        driver.given(order("a", 1)).then(OrderPlaced("DE", 1)).then()
        driver.given(order("a", 2)).then(OrderPlaced("DE", 2))

        assert driver.results() == []


def two(streams: Streams) -> None:
    """Two topics in, two topics out."""
    streams.subscribe("orders", OrderPlaced).to("placed")
    streams.subscribe("payments", OrderPaid).to("paid")


def test_topics_are_named_where_there_are_several() -> None:
    """Of events and of results: leave the names out."""
    with drive(two) as driver:
        with pytest.raises(LookupError, match=r"subscribes to orders, payments: .*given\(…, topic"):
            driver.given(order("a", 1))
        with pytest.raises(LookupError, match=r"writes to paid, placed: .*then\(…, topic"):
            driver.then()
        driver.given(order("a", 1), topic="orders").then(OrderPlaced("DE", 1), topic="placed")


def test_a_topic_that_the_program_does_not_read_is_an_error() -> None:
    """It is a wrong name, most likely: give it an event."""
    with drive(two) as driver, pytest.raises(LookupError, match="does not subscribe to order"):
        driver.given(order("a", 1), topic="order")


def test_the_state_of_one_driver_is_nothing_to_another() -> None:
    """Nor does it stay behind: count twice, and look for its folder."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).apply(count, stateful=True).to("counts")

    folders: list[Path] = []
    for _ in range(2):
        with drive(program) as driver:
            driver.given(order("a", 1)).then(Counted(1))
            folders.append(driver._folder)

    assert folders[0] != folders[1]
    assert not any(folder.exists() for folder in folders)


def test_a_stored_event_comes_with_its_id_and_position() -> None:
    """As the replicator would bring it: let the program look."""
    seen: list[Any] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.update(lambda event: seen.append((event.id, event.position, event.topic)))

    with drive(program) as driver:
        event = StoredEvent(
            "a", OrderPlaced("DE", 1), at(0), topic="-", id=7, position=Position(5, 2)
        )
        driver.given(event, order("a", 1))

    assert seen == [(7, Position(5, 2), "orders"), (0, None, "orders")]


def test_a_program_without_a_source_is_refused() -> None:
    """It could do nothing: have it do nothing."""
    with pytest.raises(ConfigurationError, match="app subscribes to no topic"):
        drive(lambda _streams: None)


def test_a_cipher_that_is_random_is_refused() -> None:
    """No key of state would be found again: give one that counts."""

    class Counting:
        """Never the same bytes."""

        calls = 0

        def encrypt(self, data: bytes) -> bytes:
            """With the number of the call in front."""
            self.calls += 1
            return b"%08d" % self.calls + data

        def decrypt(self, data: bytes) -> bytes:
            """Without it."""
            return data[8:]

    with pytest.raises(ConfigurationError, match="other bytes for equal data"):
        StreamDriver(StreamApp("app", same), cipher=Counting())


# -- events that cannot be processed


def test_a_halt_tells_the_place_and_the_class_and_nothing_else() -> None:
    """Neither payload nor key nor message: fail at the second event of a partition."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).update(refuse).to("same")

    with drive(program, partitions=1) as driver:
        driver.given(order("a", 1))
        with pytest.raises(StreamHalted) as told:
            driver.given(order("secret-key", POISON, 0, SECRET))

    assert "app stands still at orders[0]@1, which raised ValueError" in told.value.message
    assert "in refuse" in told.value.message
    for secret in (SECRET, "secret-key", str(POISON)):
        assert secret not in told.value.message.replace("test_driver.py", "")


def test_a_halt_names_the_id_of_the_event() -> None:
    """It is how it is found in PostgreSQL: fail at one that has an id."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).update(refuse)

    event = StoredEvent("a", OrderPlaced("DE", POISON), at(0), topic="-", id=4711)
    with drive(program) as driver, pytest.raises(StreamHalted, match=r"\(id 4711\)"):
        driver.given(event)


def test_poison_is_written_to_the_dead_letter_topic_as_it_came() -> None:
    """With headers that tell where from and why, and no message: look at key, time and headers."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).update(refuse).to("same")

    with drive(program, partitions=1, on_error=DeadLetterTopic("dead")) as driver:
        driver.given(order("a", 1))
        driver.given(Event("b", OrderPlaced("DE", POISON), at(5), {"actor": b"ada"}))
        driver.given(order("b", 2)).then(order("a", 1), order("b", 2), topic="same")
        [letter] = driver.results(topic="dead")

        assert (letter.key, letter.payload) == ("b", OrderPlaced("DE", POISON))
        assert letter.timestamp == at(5)
        assert dict(letter.metadata) == {
            "actor": b"ada",
            "mainstem.failed.app": b"app",
            "mainstem.failed.error": b"ValueError",
            "mainstem.failed.offset": b"1",
            "mainstem.failed.partition": b"0",
            "mainstem.failed.topic": b"orders",
        }


def test_poison_behind_group_by_is_the_event_as_it_came() -> None:
    """But for its key, and with its first place: fail behind a topic of the application's own."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).group_by("country").update(refuse).to("same")

    with drive(program, partitions=3, on_error=DeadLetterTopic("dead")) as driver:
        driver.given(order("a", 1, 0, "FR"), order("a", POISON, 1, "FR"), order("a", 2, 2, "FR"))
        driver.then(order("FR", 1, 0, "FR"), order("FR", 2, 2, "FR"), topic="same")
        [letter] = driver.results(topic="dead")

        assert (letter.key, letter.payload) == ("FR", OrderPlaced("FR", POISON))
        assert letter.timestamp == at(1)
        assert letter.metadata["mainstem.failed.topic"] == b"orders"
        assert letter.metadata["mainstem.failed.offset"] == b"1"


def count(_event: Any, state: State) -> Counted:
    """How many of the key there are."""
    orders = state.get("orders", 0) + 1
    state.set("orders", orders)
    return Counted(orders)


def everything(streams: Streams) -> None:
    """All kinds of state and results, and poison when all is done but its last step."""
    orders = streams.subscribe("orders", OrderPlaced)
    orders.apply(count, stateful=True).to("counts")
    windows = orders.tumbling_window(MINUTE).sum("cents").current()
    windows.apply(lambda w: Revenue(str(w.key), NOON_MS, w.value, 0)).to("revenues")
    payments = streams.subscribe("payments", OrderPaid)
    orders.join_interval(payments, paid, forward=MINUTE, name="interval").to("paid")
    payments.join_asof(orders, lambda _, last: last.payload, name="asof").to("last")
    orders.update(refuse)


def test_what_poison_had_done_before_it_failed_is_undone() -> None:
    """Counts, windows, both joins and results: poison among several events, again and again."""
    with drive(everything, on_error=DeadLetterTopic("dead")) as driver:
        for event in (order("a", 1), order("a", POISON, 1), order("a", 2, 2), order("a", POISON)):
            driver.given(event, topic="orders")
        driver.given(order("a", 4, 3), topic="orders")
        driver.given(payment("a", "card", 4), topic="payments")

        driver.then(Counted(1), Counted(2), Counted(3), topic="counts")
        driver.then(*(Revenue("a", NOON_MS, cents, 0) for cents in (1, 3, 7)), topic="revenues")
        driver.then(*(PaidOrder(cents, "card") for cents in (1, 2, 4)), topic="paid")
        driver.then(OrderPlaced("DE", 4), topic="last")
        driver.then(*[OrderPlaced("DE", POISON)] * 2, topic="dead")


def test_what_poison_had_done_is_not_seen_under_stop() -> None:
    """Its results are not there: stop at the second event."""
    with drive(everything) as driver:
        driver.given(order("a", 1), topic="orders")
        with pytest.raises(StreamHalted):
            driver.given(order("a", POISON), topic="orders")

        driver.then(Counted(1), topic="counts")
